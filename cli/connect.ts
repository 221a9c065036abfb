/** Clients of validators, for commands. */
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { SettlementService } from "../proto/validator/v1/validator_pb.js";

// Connections close themselves when nothing is asked any more, so that the command ends.
const transport = (url: string) =>
  createConnectTransport({ httpVersion: "2", baseUrl: url, idleConnectionTimeoutMs: 50 });

export const connectSettlement = (url: string): Client<typeof SettlementService> =>
  createClient(SettlementService, transport(url));
