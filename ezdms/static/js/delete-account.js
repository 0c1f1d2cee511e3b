// <delete-account>: permanent; requires the Login PIN and the user's key. Also deletes everything in this browser.

import * as crypto from "./crypto.js";
import { onSubmit } from "./dom.js";
import { deploymentId, postForm } from "./server.js";
import { account, eraseAndLeave } from "./session.js";

customElements.define("delete-account", class extends HTMLElement {
  connectedCallback() {
    onSubmit(this, "Deleting…", async () => {
      const pin = crypto.normaliseLoginPin(this.querySelector(".pin").value);
      const deployment = await deploymentId();
      const login = await crypto.loginKeys(pin, deployment);
      const act = await crypto.signAct(await account, deployment, "delete_account", "", Date.now());
      await eraseAndLeave("deleted_here", () => postForm("/delete_account", { ...login, act }));
    });
  }
});
