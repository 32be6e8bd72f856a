import { type Command, Option } from "commander";
import type { ProgramOptions } from "./program.ts";
import { action, outputOption } from "./program-action.ts";

const bundleOption = () =>
  new Option("--bundle <file>", "a bundle file (default: the one behind this program)");
const trustedKeyOption = () =>
  new Option("--trusted-key <file>", "public key of the maker, beside those in this program");
const keyOption = () => new Option("--key <file>", "private key to sign with");

/** The commands that make bundles and look into them. */
export function addBundle(program: Command, all: ProgramOptions): void {
  const bundle = program
    .command("bundle")
    .description("Make bundles, and look into them. A program with a bundle behind it is an appliance.");
  addLooking(bundle, all);
  addMaking(bundle, all);
}

function addLooking(bundle: Command, all: ProgramOptions): void {
  const module = () => import("./bundle.ts");
  bundle
    .command("inspect")
    .description("Show what a bundle is, who signed it, and what is in it.")
    .addOption(bundleOption())
    .addOption(trustedKeyOption())
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet bundle inspect -o json")
    .action(action(all, async (options) => (await module()).inspect(all.io, { options })));
  bundle
    .command("list-images")
    .description("List the container images of a bundle.")
    .addOption(bundleOption())
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet bundle list-images")
    .action(action(all, async (options) => (await module()).listImages(all.io, { options })));
  bundle
    .command("verify")
    .description(
      "Read all of a bundle, and name every stretch that is damaged. The exit code is 1 then, and when nobody trusted has signed it.",
    )
    .addOption(bundleOption())
    .addOption(trustedKeyOption())
    .option("--insecure-bundle", "be content with a bundle that nobody trusted has signed")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet bundle verify --bundle /media/usb/nodelet")
    .action(action(all, async (options) => (await import("./bundle-verify.ts")).verify(all.io, { options })));
}

function addMaking(bundle: Command, all: ProgramOptions): void {
  const module = () => import("./bundle-make.ts");
  bundle
    .command("create")
    .description("Make an appliance, or a bundle as a file of its own.")
    .option("--stack <dir>", "stack directory: images, programs and their index.json")
    .option("--bundle <file>", "take the payload of this bundle instead, as it is")
    .requiredOption("--out <file>", "the file to write")
    .option("--program <file>", "the executable before the payload (default: this program)")
    .option("--no-program", "without an executable: a bundle for --bundle")
    .addOption(keyOption())
    .option("--level <number>", "of zstd, 1 to 22 (default: 9)")
    .option("--leave-out <name...>", "entries of the stack that are not wanted")
    .option("--manifest <name=file...>", "add a manifest, of a network plugin for example")
    .option("--image <file...>", "add an image, as docker save writes it")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExample:\n  nodelet bundle create --stack dist/stack --out nodelet-appliance --key site.key",
    )
    .action(action(all, async (options) => (await module()).create(all.io, { options })));
  bundle
    .command("extract [name...]")
    .description("Write entries into a directory; all of them make a stack directory.")
    .requiredOption("--to <dir>", "where to")
    .addOption(bundleOption())
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet bundle extract kubectl --to .")
    .action(action(all, async (options, names) => (await module()).extract(all.io, { options, names })));
  bundle
    .command("sign")
    .description("Sign a bundle file.")
    .requiredOption("--bundle <file>", "the file to sign")
    .addOption(keyOption().makeOptionMandatory())
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet bundle sign --bundle nodelet-appliance --key site.key")
    .action(action(all, async (options) => (await module()).sign(all.io, { options })));
  bundle
    .command("keygen <name>")
    .description("Make a pair of keys: NAME.key signs bundles, NAME.pub lets hosts trust them.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet bundle keygen site")
    .action(
      action(all, async (options, [name]) => (await module()).keygen(all.io, { options, name: name ?? "" })),
    );
}
