// <delete-account>: for good, and only with the Login PIN. What this browser kept goes too.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { forgetEverything } from "./keystore.js";
import { getJson, postForm } from "./server.js";

customElements.define("delete-account", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Deleting…", async () => {
      const pin = crypto.normaliseLoginPin(this.querySelector("input").value);
      const { deployment_id } = await getJson("/deployment");
      await postForm("/delete_account", await crypto.loginKeys(pin, deployment_id));
      await forgetEverything();
      location.assign("/");
    });
  }
});
