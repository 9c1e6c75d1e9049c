// The words of the contract in the spelling that people type.
import { InvalidArgumentError } from 'commander';

/** Returns the word of the contract for a typed word, such as HELM_CHART for `helm-chart`. Throws InvalidArgumentError. */
export function wordOf<W extends string>(words: readonly W[], text: string): W {
  const word = words.find((one) => one === text.toUpperCase().replaceAll('-', '_'));
  if (word === undefined) throw new InvalidArgumentError(`It should be one of ${words.map(typedAs).join(', ')}.`);
  return word;
}

/** Returns the word in the spelling that the help shows. */
export function typedAs(word: string): string {
  return word.toLowerCase().replaceAll('_', '-');
}

/** The format of ids. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
