import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{validator,checkpoint,gateway,operator,cli,console,tools,bench,e2e}/**/*.test.ts"],
    // Two cores: one file a core, in processes, so that native modules and memory stay apart.
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
