// <new-search-pin>: replaces the Search PIN. The new one commits to the same key, so conversations stay as they are.

import { b64uEncode, newSearchSalt, signAct } from "./crypto.js";
import { onSubmit } from "./dom.js";
import { deploymentId, postForm } from "./server.js";
import { account } from "./session.js";

customElements.define("new-search-pin", class extends HTMLElement {
  connectedCallback() {
    const question = this.querySelector("[data-asked]");
    onSubmit(this, "Creating a new one…", async () => {
      if (question.hidden) { // ask once
        question.hidden = false;
        return;
      }
      const search_salt = b64uEncode(newSearchSalt());
      const act = await signAct(await account, await deploymentId(), "search_pin", search_salt, Date.now());
      await postForm("/search_pin", { search_salt, act });
      location.reload();
    });
  }
});
