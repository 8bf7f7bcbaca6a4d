import { suite } from "uvu";
import * as assert from "uvu/assert";
import { olderThan, whyIncompatible } from "../../../protocol/compatible.ts";

const compatible = suite("compatible");

const VERSIONS: readonly (readonly [string, string, boolean])[] = [
  ["7.2.0", "7.2.0", false],
  ["7.2", "7.2.0", false],
  ["7.2.0", "7.2.1", true],
  ["7.9.9", "10.0.0", true],
  ["10.0.0", "7.9.9", false],
  ["7.2.18 (Debian 1:7.2+dfsg)", "7.2.19", true],
  ["unknown", "7.2.0", true],
];

for (const [a, b, older] of VERSIONS) {
  compatible(`olderThan() says ${older} of ${a} against ${b}`, () => {
    assert.is(olderThan(a, b), older);
  });
}

const HOST = {
  qemuVersion: "8.0.0",
  accelerator: "kvm",
  acceleratorReason: "",
  cpuFlags: ["sse", "avx"],
} as const;
const CASES: readonly [string, Parameters<typeof whyIncompatible>, RegExp | undefined][] = [
  [
    "nothing of one that can",
    [{ ...HOST, cpuFlags: ["sse", "avx"] }, at("kvm"), ["sse"]],
    undefined,
  ],
  ["of a host that is not known", [undefined, at("kvm"), []], /unknown/],
  ["of another accelerator", [{ ...HOST, cpuFlags: [] }, at("tcg"), []], /has kvm/],
  ["of an older QEMU", [{ ...HOST, cpuFlags: [] }, at("kvm", "9.0"), []], /older than 9\.0/],
  ["of a lesser CPU", [{ ...HOST, cpuFlags: ["sse"] }, at("kvm"), ["sse", "avx"]], /lacks avx/],
  [
    "nothing of CPUs under TCG",
    [{ ...HOST, accelerator: "tcg", cpuFlags: [] }, at("tcg"), ["avx"]],
    undefined,
  ],
];

function at(accelerator: "kvm" | "tcg", qemuVersion = "7.2.0") {
  return { accelerator, qemuVersion };
}

for (const [title, asked, why] of CASES) {
  compatible(`whyIncompatible() says ${title}`, () => {
    const said = whyIncompatible(...asked);
    if (why === undefined) assert.is(said, undefined);
    else assert.match(said ?? "", why);
  });
}

compatible.run();
