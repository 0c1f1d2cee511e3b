// <new-search-pin>: withdraws one's Search PIN. The new one commits to the same key, so conversations stay as they are.

import { b64uEncode, newSearchSalt } from "./crypto.js";
import { onSubmit } from "./dom.js";
import { postForm } from "./server.js";

customElements.define("new-search-pin", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Making a new one…", async () => {
      await postForm("/search_pin", { search_salt: b64uEncode(newSearchSalt()) });
      location.reload(); // <my-search-pin> checks what the server made of it
    });
  }
});
