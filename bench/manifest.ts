/** The swarm of the benchmarks: four seats in four regions, all required, and a thousand accounts. */
import { parseValidatorSwarm, type ValidatorSwarm } from "../operator/api/validator-swarm.ts";

const regions = ["eu-west", "us-east", "ap-south", "eu-north"] as const;
const institutions = 100;
const currencies = ["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CAD", "AUD"] as const;

/** Protocol parameters are the defaults of the manifest: what is measured is what ships. */
export function benchmarkSwarm(name: string): ValidatorSwarm {
  const bics = Array.from({ length: institutions }, (_, i) => bicOf(i));
  const parsed = parseValidatorSwarm(
    JSON.stringify({
      apiVersion: "validatorswarm.io/v1alpha1",
      kind: "ValidatorSwarm",
      metadata: { name },
      spec: {
        replicas: regions.length,
        faultModel: "Byzantine",
        regions: regions.map((region) => ({ name: region, weight: 1 })),
        placement: { surviveRegionLoss: true },
        consensus: { coverage: { requiredRegions: Object.fromEntries(regions.map((region) => [region, 1])) } },
        genesis: {
          institutions: bics.map((bic) => ({ bic, name: `Bank ${bic}` })),
          accounts: bics.flatMap((institution) =>
            currencies.map((currency) => ({ institution, currency, balance: "10000000.00" })),
          ),
          governance: { threshold: 1 },
        },
        gateway: { replicas: 0 },
      },
    }),
  );
  if (parsed.kind === "invalid") throw new Error(parsed.problems.map(({ message }) => message).join(" "));
  return parsed.swarm;
}

/** "BKAA" to "BKZZ", all in one country: the ledger does not read them. */
function bicOf(index: number): string {
  const letter = (n: number) => String.fromCharCode(65 + n);
  return `BK${letter(Math.floor(index / 26))}${letter(index % 26)}DEFFXXX`;
}
