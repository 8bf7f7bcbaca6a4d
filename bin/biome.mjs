#!/usr/bin/env node
/**
 * Runs Biome from its platform package. The package `@biomejs/biome` itself is not used: it lists
 * platforms that a registry may not carry, and `npm ci` then refuses the lock file.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const { platform, arch } = process;
const folder = new URL(`../node_modules/@biomejs/cli-${platform}-${arch}/`, import.meta.url);
const biome = fileURLToPath(new URL("biome", folder));

if (existsSync(biome)) {
  const { status, error } = spawnSync(biome, process.argv.slice(2), { stdio: "inherit" });
  if (error) process.stderr.write(`biome: ${error.message}\n`);
  process.exit(status ?? 1);
}
process.stderr.write(`biome: no package for ${platform}-${arch}; packaged for Linux only\n`);
process.exit(78);
