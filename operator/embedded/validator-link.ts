/** The connection to one validator: its identity, its chain, then its status for as long as both live. */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService, SettlementService } from "../../proto/validator/v1/validator_pb.js";
import { type SeatStatus, seatStatus } from "./seat-status.ts";

/** The public half of the identity in a validator's volume. */
export interface Identity {
  readonly blsKey: Uint8Array;
  readonly peerKey: Uint8Array;
  readonly proofOfPossession: Uint8Array;
}

export interface LinkHandlers {
  /** At every (re)connection. */
  readonly identity: (identity: Identity) => void;
  readonly status: (status: SeatStatus) => void;
  /** The connection is gone, or was never there; it is tried again. */
  readonly down: (reason: string) => void;
  /** The validator refuses the chain: trying again does not help. */
  readonly refused: (reason: string) => void;
}

export interface ValidatorLink {
  readonly seat: string;
  readonly admin: Client<typeof AdminService>;
  readonly settlement: Client<typeof SettlementService>;
  readonly close: () => Promise<void>;
}

const callMs = 5_000;
/** At most this long between two statuses, ms. */
const statusEveryMs = 250;
/** Between two attempts, ms: a process of this machine is there at once or is starting. */
const retryMs = { first: 20, most: 500 };

/** Opens a link. `genesis` resolves with the document's bytes once it is known; each validator is given it. Absent: somebody else gives it. */
export function linkValidator(
  seat: string,
  url: string,
  genesis: Promise<Uint8Array> | undefined,
  handlers: LinkHandlers,
): ValidatorLink {
  const transport = createConnectTransport({ httpVersion: "2", baseUrl: url });
  const admin = createClient(AdminService, transport);
  const settlement = createClient(SettlementService, transport);
  const closing = new AbortController();
  const { signal } = closing;
  const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  aborted.catch(() => {});

  const follow = async () => {
    for (let wait = retryMs.first; !signal.aborted; wait = Math.min(retryMs.most, wait * 2)) {
      try {
        handlers.identity(await admin.getIdentity({}, { signal, timeoutMs: callMs }));
        if (genesis) {
          const document = await Promise.race([genesis, aborted]);
          await admin.provideGenesis({ genesis: document }, { signal, timeoutMs: callMs });
        }
        wait = retryMs.first;
        for await (const response of admin.watchStatus({ intervalMs: statusEveryMs }, { signal }))
          handlers.status(seatStatus(response));
        handlers.down("it closed the stream");
      } catch (error) {
        if (signal.aborted) return;
        const { code, rawMessage } = ConnectError.from(error);
        if (code === Code.FailedPrecondition || code === Code.InvalidArgument) return handlers.refused(rawMessage);
        handlers.down(rawMessage);
      }
      await delay(wait, undefined, { signal }).catch(() => {});
    }
  };
  const ended = follow();

  return {
    seat,
    admin,
    settlement,
    close: async () => {
      closing.abort();
      await ended;
    },
  };
}
