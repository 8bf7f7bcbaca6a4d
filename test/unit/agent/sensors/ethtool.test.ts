import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  parseFec,
  parseModule,
  parseStatistics,
  ethtool as source,
} from "../../../../agent/sensors/ethtool.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { told } from "./told.ts";

const ethtool = suite("ethtool");
const ETH0 = { device: "eth0", instance: "boot/2/02:00" };

ethtool(
  "parseStatistics() knows the counters of the physical layer by their drivers' names",
  () => {
    const cases: readonly [text: string, expected: readonly (readonly [string, bigint])[]][] = [
      ["     rx_octets: 808488730\n     rx_fragments: 0\n", []],
      [
        "     rx_fec_corr_blocks: 12\n     rx_fec_uncorr_blocks: 3\n", // bnxt_en
        [
          ["fec-corrected", 12n],
          ["fec-uncorrectable", 3n],
        ],
      ],
      [
        "     rx_pcs_symbol_err_phy: 4\n     rx_corrected_bits_phy: 18446744073709551615\n", // mlx5
        [
          ["symbol-errors", 4n],
          ["fec-corrected", 2n ** 64n - 1n],
        ],
      ],
      [
        "     Fec Corrected Errors: 5\n     Fec Uncorrected Errors: 6\n", // octeontx2
        [
          ["fec-corrected", 5n],
          ["fec-uncorrectable", 6n],
        ],
      ],
      ["     rx_symbol_errors: 1\n     symbol_errors: 2\n", [["symbol-errors", 3n]]],
      ["     rx_symbol_errors: -1\n     symbol_errors: many\n", []],
    ];
    for (const [text, expected] of cases) {
      assert.equal(parseStatistics(`NIC statistics:\n${text}`), expected, text);
    }
  },
);

ethtool("parseFec() takes the totals, not the lanes", () => {
  const text = `FEC parameters for eth0:
Active FEC encoding: RS
Statistics:
  corrected_blocks: 256
    Lane 0: 255
    Lane 1: 1
  uncorrectable_blocks: 145
`;
  assert.equal(parseFec(text), [
    ["fec-corrected", 256n],
    ["fec-uncorrectable", 145n],
  ]);
  assert.equal(parseFec("FEC parameters for eth0:\nActive FEC encoding: None\n"), []);
});

ethtool("parseModule() takes the worst channel, and no limit for a measure", () => {
  const sfp = `	Laser output power                        : 0.5730 mW / -2.42 dBm
	Receiver signal average optical power     : 0.4110 mW / -3.86 dBm
	Module temperature                        : 31.25 degrees C / 88.25 degrees F
	Laser output power high alarm             : Off
	Laser output power low alarm threshold    : 0.0100 mW / -20.00 dBm
	Laser rx power high alarm threshold       : 1.9953 mW / 3.00 dBm
`;
  assert.equal(parseModule(sfp), [
    ["rx-power", -3.86, "dBm"],
    ["tx-power", -2.42, "dBm"],
    ["temperature", 31.25, "celsius"],
  ]);
  const qsfp = `	Rcvr signal avg optical power(Channel 1)  : 0.88 mW / -0.53 dBm
	Rcvr signal avg optical power(Channel 2)  : 0.10 mW / -9.87 dBm
	Rcvr signal avg optical power(Channel 3)  : 0.00 mW / -inf dBm
`;
  assert.equal(parseModule(qsfp), [["rx-power", -9.87, "dBm"]]);
  assert.equal(parseModule("Cannot get module EEPROM information: Operation not supported"), []);
});

ethtool(
  "ethtool() lets a driver that has no answer rest, and keeps asking the others",
  async () => {
    const asked: string[] = [];
    const { read } = source(["ethtool"], async (_file, args) => {
      asked.push(args.join(" "));
      const stdout = args[0] === "-S" ? "NIC statistics:\n     rx_symbol_errors: 9\n" : "";
      return { code: stdout === "" ? 1 : 0, stdout, stderr: "" };
    });
    assert.equal(told(await read([ETH0])), { "eth0 symbol-errors": "9" });
    assert.equal(asked, ["-S eth0", "-I --show-fec eth0", "-m eth0"]);
    for (let round = 0; round < 60; round++) await read([ETH0]);
    assert.is(asked.length, 3 + 60);
    await read([ETH0]);
    assert.is(asked.length, 3 + 60 + 3);
  },
);

ethtool("ethtool() says that the command is missing, and not what it would have said", async () => {
  const { read } = source(["ethtool"], async () => {
    throw new SystemError("COMMAND_NOT_FOUND", "Cannot start ethtool");
  });
  const [reading] = await read([ETH0]);
  assert.is(reading!.status, "missing");
  assert.is(reading!.instance, ETH0.instance);
});

ethtool.run();
