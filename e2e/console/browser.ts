/** The system's Chromium, installed by apt when it is missing and that is possible. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const places = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Rejects with a sentence when there is no browser and none can be installed. */
export async function openBrowser(): Promise<Browser> {
  if (find() === undefined && process.getuid?.() === 0) {
    spawnSync("apt-get", ["update", "-qq"], { stdio: "inherit" });
    spawnSync("apt-get", ["install", "-y", "-qq", "chromium"], { stdio: "inherit" });
  }
  const executablePath = find();
  if (executablePath === undefined)
    throw new Error("No Chromium here. Install it (apt-get install chromium), or name one in CHROMIUM.");
  return await chromium.launch({ executablePath, args: flags });
}

function find(): string | undefined {
  return places.find((place) => place !== undefined && existsSync(place));
}
