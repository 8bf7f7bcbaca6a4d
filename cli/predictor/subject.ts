/**
 * How a device is named on the command line: COMPONENT/DEVICE.
 * @module
 */
import { z } from "zod";
import { component } from "../../protocol/prediction.ts";

/** The device may hold slashes of its own: "temperature/coretemp-0/temp1". */
export const subject = z
  .string()
  .max(1_024)
  .transform((value, context) => {
    const slash = value.indexOf("/");
    const parsed = component.safeParse(value.slice(0, Math.max(0, slash)));
    const device = value.slice(slash + 1);
    if (parsed.success && device !== "") return { component: parsed.data, device };
    const kinds = component.options.join(", ");
    context.addIssue({ code: "custom", message: `Want COMPONENT/DEVICE; components: ${kinds}.` });
    return z.NEVER;
  });
export type Subject = z.output<typeof subject>;
