/** Where lines are broken: a terminal of usual width shows them whole. */
const WIDTH = 100;

/**
 * Breaks a text at blanks.
 *
 * @param indent what stands before the first line, and before the others
 * @returns lines, each with its line break; a word that is longer than a line stands by itself
 */
export function wrapText(text: string, indent: { first: string; others: string }): string {
  const lines: string[] = [];
  let line = indent.first;
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent.others;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line].map((one) => `${one}\n`).join("");
}
