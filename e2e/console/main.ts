/** `npm run e2e:console`: the page of a real fleet in a real browser. Ends with `N passed, N failed`. */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./browser.ts";
import { type FleetProcess, startFleetProcess } from "./fleet-process.ts";

const portBase = 17_600;
const output = join(import.meta.dirname, "../output");
const regions = ["eu-west", "us-east", "ap-south", "eu-north"];
let passed = 0;
let failed = 0;

async function check(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    passed++;
    console.log(`passed  ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n        ${error instanceof Error ? error.message : String(error)}`);
  }
}

function equal<Value>(actual: Value, expected: Value): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`expected ${b}, got ${a}`);
}

const texts = (page: Page, selector: string) => page.locator(selector).allTextContents();
const newestHeight = (page: Page) =>
  page.evaluate(() => Number(document.querySelector("#blocks li")?.getAttribute("data-height") ?? 0));

async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21aa", "best-practice"])
    .analyze();
  equal(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`),
    [],
  );
}

mkdirSync(output, { recursive: true });
const directory = mkdtempSync(join(tmpdir(), "swarm-console-"));
await check("the fleet starts, and the browser opens its page", inspect);
rmSync(directory, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

async function inspect(): Promise<void> {
  const browser = await openBrowser();
  try {
    const fleet = await startFleetProcess(directory, portBase);
    await fleet.line(/settled \d+ payments/);
    await inspectPage(await openPage(browser, fleet.url), fleet);
  } finally {
    await browser.close();
  }
}

interface OpenPage {
  readonly page: Page;
  /** What the browser's console said, and requests to elsewhere. */
  readonly complaints: readonly string[];
}

async function openPage(browser: Browser, url: string): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: "light" });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) complaints.push(`asks elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  await page.locator("#blocks li").first().waitFor();
  return { page, complaints };
}

async function inspectPage({ page, complaints }: OpenPage, fleet: FleetProcess): Promise<void> {
  await check("shows every region, required for settlement, with a voting seat", async () => {
    equal(await texts(page, ".region h3"), regions);
    equal(
      await texts(page, ".region .mode"),
      regions.map(() => "required"),
    );
    equal(
      await texts(page, ".seat .state"),
      regions.map(() => "voting"),
    );
  });

  await check("says that the swarm is healthy", async () => {
    await page.locator("#health", { hasText: "Settling, every seat votes" }).waitFor();
    await page.locator("#agreement", { hasText: "every seat has the same state root at block" }).waitFor();
  });

  await check("shows blocks as they come", async () => {
    const before = await newestHeight(page);
    await page.waitForFunction(
      (height) => Number(document.querySelector("#blocks li")?.getAttribute("data-height") ?? 0) >= height + 3,
      before,
    );
  });

  await check("marks blocks as settled", async () => {
    await page.locator('#blocks li[data-settled="true"]').first().waitFor();
  });

  await check("lists payments, and shows the proof of one down to the validator set", async () => {
    await page.locator("#payments button").first().click();
    await page.locator("#proof-steps li").first().waitFor();
    equal(await page.locator("#proof-message").getAttribute("data-level"), "good");
    equal(await texts(page, "#proof-steps h3"), ["Receipt", "State root", "Header", "Certificate", "Validator set"]);
  });

  await check("offers the proof for download", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#proof-message a").click()]);
    const file = await download.path();
    if (statSync(file).size < 500) throw new Error(`the proof has ${statSync(file).size} bytes`);
  });

  await check("draws latency and throughput", async () => {
    equal(await page.locator("canvas").count(), 2);
    await page.locator("#latency-text", { hasText: /Now p50 [\d.]+ ms/ }).waitFor({ state: "attached" });
  });

  await check("has no accessibility violations in light", () => accessible(page));
  await page.screenshot({ path: join(output, "console-light.png"), fullPage: true });

  await check("has no accessibility violations in dark", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await accessible(page);
  });
  await page.screenshot({ path: join(output, "console-dark.png"), fullPage: true });
  await page.emulateMedia({ colorScheme: "light" });

  await check("fits a phone, and has no accessibility violations there", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await accessible(page);
  });
  await page.screenshot({ path: join(output, "console-phone.png"), fullPage: true });
  await page.setViewportSize({ width: 1440, height: 1000 });

  await check("is used from the keyboard alone", async () => {
    await page.goto(fleet.url);
    await page.locator("#blocks li").first().waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.type("not a uetr");
    await page.keyboard.press("Enter");
    await page.locator("#proof-message", { hasText: "A UETR has 36 characters" }).waitFor();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("00000000-0000-4000-8000-000000000000");
    await page.keyboard.press("Enter");
    await page.locator("#proof-message", { hasText: "no payment has this UETR" }).waitFor();
  });

  await check("shows a validator that is killed, that the others go on, and its return", async () => {
    const victim = [...fleet.processes()].find(([name]) => name.includes("ap-south"));
    if (victim === undefined) throw new Error("no such process");
    process.kill(victim[1], "SIGKILL");
    await page.locator("#health", { hasText: "1 of 4 seats not voting" }).waitFor();
    const before = await newestHeight(page);
    await page.locator("#health", { hasText: "Settling, every seat votes" }).waitFor({ timeout: 60_000 });
    await page.waitForFunction(
      (height) => Number(document.querySelector("#blocks li")?.getAttribute("data-height") ?? 0) > height,
      before,
    );
  });

  await check("has nothing to say in the browser's console, and loads nothing from elsewhere", async () => {
    equal(complaints, []);
  });

  await check("Ctrl-C ends the fleet with exit code 0 and leaves no process", async () => {
    const pids = [...fleet.processes().values()];
    equal(await fleet.stop(), 0);
    equal(
      pids.filter((pid) => isAlive(pid)),
      [],
    );
    await page.locator("#health", { hasText: "Disconnected" }).waitFor();
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
