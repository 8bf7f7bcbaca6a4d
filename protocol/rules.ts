/**
 * The rules of a VM: within which ranges its host's operating parameters shall be, and how slowly
 * a swap of primary and secondary follows when they are not.
 * @module
 */
import { z } from "zod";
import { parameterName } from "./parameters.ts";

const PARAMETERS_MAX = 32;
const DAY_SECONDS = 86_400;
/** The coordinator's word of where the VM runs comes later than that of the swap's end. */
const COOL_DOWN_SECONDS_MIN = 10;

const bound = z.number().nullable();

/** The range of one parameter, in its unit. */
export const parameterRule = z
  .strictObject({
    /** [min, max]; null where there is no limit. */
    range: z.tuple([bound, bound], { error: "must be [min, max], null for none" }),
    /** A value that was outside counts as inside only when it is so far within. */
    hysteresis: z.number().min(0).default(0),
    /** How much it counts when the best secondary is chosen. */
    weight: z.number().min(0).max(1_000).default(1),
    /** Which end of the range is the better one; by the parameter unless given. */
    better: z.enum(["lower", "higher"]).optional(),
  })
  .superRefine(({ range: [min, max], hysteresis }, context) => {
    const complain = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message });
    if (min === null && max === null) complain("range", "must have a min, a max or both");
    if (min === null || max === null) return;
    if (min > max) complain("range", "min must not be above max");
    else if (hysteresis > 0 && hysteresis * 2 >= max - min) {
      complain("hysteresis", "must be less than half of the range");
    }
  });
export type ParameterRule = z.infer<typeof parameterRule>;

const seconds = (preset: number) => z.int().min(0).max(DAY_SECONDS).default(preset);

export const ruleSet = z.strictObject({
  parameters: z
    .record(z.string(), parameterRule)
    .superRefine((rules, context) => {
      for (const name of Object.keys(rules)) {
        const result = parameterName.safeParse(name);
        if (result.success) continue;
        context.addIssue({ code: "custom", path: [name], message: "is no name of a parameter" });
      }
    })
    .refine((rules) => Object.keys(rules).length >= 1, "must name a parameter")
    .refine((rules) => Object.keys(rules).length <= PARAMETERS_MAX, "too many parameters"),
  /** So long a parameter of the primary is outside before anything follows. */
  outsideSeconds: seconds(60),
  /** So long a secondary is inside before it is chosen. */
  insideSeconds: seconds(60),
  /** So long the VM stays on a host, however it came there. */
  dwellSeconds: seconds(600),
  /** So long nothing follows after a swap, whatever became of it. */
  coolDownSeconds: z.int().min(COOL_DOWN_SECONDS_MIN).max(DAY_SECONDS).default(600),
  /** Within 24 hours, failed ones included. */
  swapsPerDay: z.int().min(1).max(1_000).default(4),
});
export type RuleSet = z.infer<typeof ruleSet>;
