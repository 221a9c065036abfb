/** The proof of one payment: asked for by UETR, shown as the chain from its receipt to what is trusted. */
import type { ConsoleProof, ConsoleProofStep } from "../source.ts";
import { byId, html, setText } from "./dom.ts";
import { count } from "./format.ts";

const uetrPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface ProofView {
  readonly ask: (uetr: string) => void;
}

export function createProof(): ProofView {
  const form = byId("proof-form", HTMLFormElement);
  const input = byId("proof-input", HTMLInputElement);
  const message = byId("proof-message", HTMLElement);
  const steps = byId("proof-steps", HTMLOListElement);
  let asked = 0;

  const say = (text: string, level: "wait" | "good" | "bad") => {
    message.dataset["level"] = level;
    setText(message, text);
  };

  const show = async (uetr: string) => {
    const turn = ++asked;
    steps.replaceChildren();
    input.toggleAttribute("aria-invalid", false);
    if (!uetrPattern.test(uetr)) {
      input.setAttribute("aria-invalid", "true");
      return say("A UETR has 36 characters, such as 8a562c67-ca16-48ba-b074-65581be6f001.", "bad");
    }
    say("Asking a validator for the proof", "wait");
    const proof = await fetchProof(uetr);
    if (turn !== asked) return;
    if (proof.kind === "none") return say(proof.reason, "bad");
    say("", proof.verified ? "good" : "bad");
    message.replaceChildren(
      html("strong", {}, proof.verdict),
      " ",
      html(
        "a",
        { href: `/proof.bin?uetr=${encodeURIComponent(uetr)}`, download: `${uetr}.proof` },
        `Download the proof (${count(proof.bytes)} bytes)`,
      ),
    );
    steps.replaceChildren(...proof.steps.map(stepItem));
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void show(input.value.trim().toLowerCase());
  });

  return {
    ask: (uetr) => {
      input.value = uetr;
      byId("proof-title", HTMLElement).scrollIntoView({ block: "start" });
      input.focus({ preventScroll: true });
      void show(uetr);
    },
  };
}

async function fetchProof(uetr: string): Promise<ConsoleProof> {
  try {
    const response = await fetch(`/proof?uetr=${encodeURIComponent(uetr)}`);
    return await response.json();
  } catch {
    return { kind: "none", reason: "The swarm does not answer. Is it still running?" };
  }
}

function stepItem({ title, says, facts }: ConsoleProofStep): HTMLLIElement {
  return html(
    "li",
    {},
    html("h3", {}, title),
    html("p", {}, says),
    html(
      "dl",
      {},
      ...facts.map(({ label, value }) =>
        html("div", {}, html("dt", {}, label), html("dd", {}, html("code", {}, value))),
      ),
    ),
  );
}
