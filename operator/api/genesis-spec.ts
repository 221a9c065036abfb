/** Institutions and accounts as a manifest writes them. */
import { z } from "zod";

const bic = z
  .string()
  .regex(/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}[A-Z0-9]{3}$/, "must be a BIC of 11 characters, such as QSWADEFFXXX");
const amount = z
  .string()
  .regex(/^\d{1,15}(\.\d{1,3})?$/, 'must be a quoted amount in the currency\'s major unit, such as "25000000.00"');

/** One institution. Its key is created beside the swarm when none is given. */
export const institutionSchema = z.strictObject({
  bic: bic.meta({ description: "BIC, 11 characters." }),
  name: z.string().min(1).max(140).default("").meta({ description: "Its name, for people." }),
  zone: z
    .string()
    .regex(/^[A-Z][A-Z0-9-]{0,31}$/, "must be upper-case, such as EU")
    .optional()
    .meta({ description: "Residency zone of its private data. Absent: none." }),
  key: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be an ed25519 public key, 64 lower-case hexadecimal digits")
    .optional()
    .meta({ description: "Its public key. Absent: a development key is created beside the swarm." }),
});

/** One settlement account: an institution and a currency. */
export const accountSchema = z.strictObject({
  institution: bic.meta({ description: "BIC of its institution." }),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, "must be an ISO 4217 code such as EUR")
    .meta({ description: "ISO 4217 code." }),
  balance: amount.default("0").meta({ description: "Opening balance." }),
  debitCap: amount.default("0").meta({ description: "How far the balance may go below zero." }),
  paymentLimit: amount.optional().meta({ description: "Largest single payment. Absent: none." }),
  dayLimit: amount.optional().meta({ description: "Most that may leave in one day of block time. Absent: none." }),
});

export type Institution = z.infer<typeof institutionSchema>;
export type Account = z.infer<typeof accountSchema>;
