/**
 * The coordinator's part of a site's configuration file (docs/operations.md has an example).
 * @module
 */
import { z } from "zod";
import { address } from "../protocol/ids.ts";
import { COORDINATOR_LISTEN } from "../runtime/site.ts";
import { DEFAULTS } from "./state.ts";

const durationMs = z.int().min(100).max(3_600_000);

const section = z.strictObject({
  listen: address.default(COORDINATOR_LISTEN),
  /** Allows an address beyond loopback: links are proven, but not encrypted. */
  insecureNetwork: z.boolean().default(false),
  limits: z
    .strictObject({
      prepareMs: durationMs.default(DEFAULTS.prepareMs),
      stallMs: durationMs.default(DEFAULTS.stallMs),
      resendMs: durationMs.default(DEFAULTS.resendMs),
      retireMs: durationMs.default(DEFAULTS.retireMs),
      restartMs: durationMs.default(DEFAULTS.restartMs),
      restartsMax: z.int().min(1).max(100).default(DEFAULTS.restartsMax),
    })
    .prefault({}),
});

/** A site's file as the coordinator reads it: other programs check their own parts. */
export const coordinatorFile = z.strictObject({
  state: z.string().min(1).optional(),
  secrets: z.string().min(1).optional(),
  coordinator: section.prefault({}),
  management: z.unknown().optional(),
});
export type CoordinatorFile = z.infer<typeof coordinatorFile>;
