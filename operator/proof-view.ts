/** A payment's proof in words: checked here as anyone would offline, from this chain's genesis. */
import { readFileSync } from "node:fs";
import type { ConsoleProof, ConsoleProofStep } from "../console/source.ts";
import { currencyByNumber } from "../gateway/iso20022/currencies.ts";
import { formatMinorUnits } from "../gateway/iso20022/money.ts";
import { readRecord } from "../validator/codec/payment-message.ts";
import { decodeProof, type Proof } from "../validator/ledger/proof.ts";
import { hex } from "./embedded/seat-status.ts";
import type { SwarmView } from "./embedded/swarm-view.ts";
import { fetchProof } from "./proofs.ts";
import { thousands } from "./terminal.ts";
import { type TrustedGenesis, trustGenesis, verifyOffline } from "./verification.ts";

const ask = ({ links, swarm }: SwarmView, uetr: string) =>
  fetchProof(
    links.map(({ settlement }) => settlement),
    swarm.spec.genesis.institutions.length,
    uetr,
  );

/** The canonical bytes; `undefined` when there is none. */
export async function proofBytes(fleet: SwarmView, uetr: string): Promise<Uint8Array | undefined> {
  const proof = await ask(fleet, uetr);
  return proof.kind === "proof" ? proof.bytes : undefined;
}

/** What the page shows. */
export async function explainProof(fleet: SwarmView, uetr: string): Promise<ConsoleProof> {
  const proof = await ask(fleet, uetr);
  switch (proof.kind) {
    case "unreachable":
      return { kind: "none", reason: "No validator answers. Try again." };
    case "none":
      return { kind: "none", reason: `There is no proof: ${proof.reason}` };
    case "proof": {
      const trusted = trustGenesis(readFileSync(fleet.layout.genesis, "utf8"));
      if (trusted.kind === "invalid")
        return { kind: "none", reason: `The genesis document is damaged: ${trusted.reason}.` };
      const decoded = decodeProof(proof.bytes);
      if (decoded.kind === "refused") return { kind: "none", reason: "The proof that came is not one." };
      const verdict = verifyOffline(proof.bytes, trusted.genesis);
      const verified = verdict.kind === "settled";
      return {
        kind: "proof",
        uetr,
        verified,
        verdict: verified
          ? "This payment is settled: every link holds."
          : `The proof does not hold: ${verdict.reason}.`,
        bytes: proof.bytes.length,
        steps: stepsOf(decoded.value, trusted.genesis),
      };
    }
  }
}

/** The five links, in the order in which each leads to the next. */
function stepsOf(proof: Proof, genesis: TrustedGenesis): readonly ConsoleProofStep[] {
  const { header } = proof;
  const payment = readRecord(proof.record, 0);
  const currency = currencyByNumber(payment.currency);
  const amount = thousands(formatMinorUnits(BigInt(payment.amount), currency?.digits ?? 0));
  const bic = (account: number) => genesis.institutions[genesis.accounts[account] ?? -1] ?? `account ${account}`;
  return [
    {
      title: "Receipt",
      says: `${amount} ${currency?.code ?? payment.currency} from ${bic(payment.debtor)} to ${bic(payment.creditor)}: settled.`,
      facts: [
        { label: "Block", value: String(proof.height) },
        { label: "Payment of its message", value: `${proof.position - proof.first + 1} of ${proof.payments}` },
        { label: "Receipts root", value: hex(proof.receiptsRoot) },
      ],
    },
    {
      title: "State root",
      says: `The block's receipts are in the history that the state after block ${header.rootHeight} commits to.`,
      facts: [
        { label: "State root", value: header.root },
        { label: "After block", value: String(header.rootHeight) },
      ],
    },
    {
      title: "Header",
      says: `Block ${header.height} names that state root.`,
      facts: [
        { label: "Block hash", value: proof.finalization.block },
        { label: "View and epoch", value: `${header.view}, ${header.epoch}` },
        { label: "Block time", value: new Date(header.time).toISOString() },
      ],
    },
    certificateStep(proof, genesis),
    setStep(proof, genesis),
  ];
}

function certificateStep({ header, finalization, coverage }: Proof, genesis: TrustedGenesis): ConsoleProofStep {
  const { config } = genesis.anchor;
  // Later sets are in the proof's handovers; people are told of genesis members by name.
  const known = header.epoch === config.epoch;
  const signers = finalization.signers.map((seat) => (known ? config.members[seat] : undefined));
  const power = signers.reduce((sum, member) => sum + (member?.power ?? 0), 0);
  const total = config.members.reduce((sum, { power: each }) => sum + each, 0);
  const regions = new Set(signers.map((member) => member?.region)).size;
  const required = Object.keys(config.coverage.requiredRegions).length - coverage.degraded.length;
  return {
    title: "Certificate",
    says: known
      ? `${power} of ${total} votes finalize that block, from ${regions} regions; settlement needs ${required}.`
      : `${signers.length} members of epoch ${header.epoch} finalize that block.`,
    facts: [
      {
        label: "Signed by",
        value: signers.map((member, i) => member?.id ?? `seat ${finalization.signers[i]}`).join(", "),
      },
      { label: "Aggregate signature, BLS12-381", value: shorten(hex(finalization.signature)) },
    ],
  };
}

function setStep({ header, handovers }: Proof, { anchor, chainId }: TrustedGenesis): ConsoleProofStep {
  const { members, faultModel, epoch } = anchor.config;
  return {
    title: "Validator set",
    says:
      header.epoch === epoch
        ? `The signers' keys are those of this chain's genesis: ${members.length} members, ${faultModel} faults.`
        : `The set of epoch ${header.epoch} was handed over from that of genesis.`,
    facts: [
      { label: "Chain", value: chainId },
      { label: "Epoch", value: String(header.epoch) },
      ...(handovers.length > 0 ? [{ label: "Handovers", value: String(handovers.length) }] : []),
    ],
  };
}

/** Long values are in the download; the page shows enough to recognize them. */
const shorten = (value: string) => `${value.slice(0, 32)}…${value.slice(-16)}`;
