/** What a chain starts from: institutions, accounts and who governs. */
import { z } from "zod";
import { anyText, hex, listMap, residencyZone, seconds, setOf, text } from "./fields.ts";

const bic = () =>
  text(/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}[A-Z0-9]{3}$/, 11, "must be a BIC of 11 characters, such as QSWADEFFXXX");
const amount = () =>
  text(
    /^[0-9]{1,15}(\.[0-9]{1,3})?$/,
    19,
    'must be a quoted amount in the currency\'s major unit, such as "25000000.00"',
  );
const publicKey = () => hex(32, "an ed25519 public key");

const institutionSchema = z.strictObject({
  bic: bic().meta({ description: "BIC, 11 characters." }),
  name: anyText(140).default("").meta({ description: "Its name, for people." }),
  zone: residencyZone()
    .optional()
    .meta({ description: "Residency zone of its private data, such as EU. Absent: none." }),
  key: publicKey().optional().meta({
    description: "Its ed25519 public key, hexadecimal. Absent: a development key is created beside the swarm.",
  }),
});

const accountSchema = z.strictObject({
  institution: bic().meta({ description: "BIC of its institution, one of `genesis.institutions`." }),
  currency: text(/^[A-Z]{3}$/, 3, "must be an ISO 4217 code such as EUR").meta({ description: "ISO 4217 code." }),
  balance: amount().default("0").meta({ description: "Opening balance, in the currency's major unit." }),
  debitCap: amount()
    .default("0")
    .meta({ description: "How far the balance may go below zero, in the currency's major unit." }),
  paymentLimit: amount()
    .optional()
    .meta({ description: "Largest single payment, in the currency's major unit. Absent: none." }),
  dayLimit: amount().optional().meta({
    description: "Most that may leave in one day of block time, in the currency's major unit. Absent: none.",
  }),
});

const governance = z
  .strictObject({
    threshold: z.int().min(1).max(32).default(1).meta({ description: "Signatures a governance transaction needs." }),
    keys: setOf(publicKey(), 32).default([]).meta({
      description: "Ed25519 public keys that govern. Empty: the operator's own (`authority.keySecretName`) alone.",
    }),
  })
  .prefault({})
  .meta({ description: "Who changes the validator set, governed parameters and accounts." });

/** One settlement account: an institution and a currency. */
export type Account = z.infer<typeof accountSchema>;

/** An API server compares these lists without their order, so they are read in one. */
const by =
  <Entry>(key: (entry: Entry) => string) =>
  (a: Entry, b: Entry) =>
    key(a) < key(b) ? -1 : 1;

/** `spec.genesis`: an object of an API server holds about a megabyte, which bounds the lists. */
export const genesis = z.strictObject({
  institutions: listMap(institutionSchema, ["bic"], 500)
    .min(1)
    .overwrite((all) => all.toSorted(by(({ bic }) => bic)))
    .meta({ description: "Who may pay. More are added by governance." }),
  accounts: listMap(accountSchema, ["institution", "currency"], 2_000)
    .overwrite((all) => all.toSorted(by(({ institution, currency }) => `${institution} ${currency}`)))
    .meta({ description: "Settlement accounts, prefunded. More are opened by governance." }),
  governance,
  expiryWindowSeconds: seconds(60, 604_800)
    .default(86_400)
    .meta({ description: "Longest life of a payment message, seconds of block time." }),
});
