// Checks the rules of an endpoint that concern several fields together.
import type { Rule } from '../../contract/endpoint.ts';
import type { Violation } from '../../contract/problem.ts';

/** Returns the violations of the rules. */
export function ruleViolations(rules: readonly Rule[], input: Record<string, unknown>): Violation[] {
  return rules.flatMap((rule) => {
    const violation = ruleViolation(rule, input);
    return violation === undefined ? [] : [violation];
  });
}

function ruleViolation(rule: Rule, input: Record<string, unknown>): Violation | undefined {
  switch (rule.kind) {
    case 'needs':
      if (valueAt(input, rule.field) === undefined || valueAt(input, rule.needs) !== undefined) return undefined;
      return { field: rule.field, message: `It requires ${rule.needs}.` };
    case 'exclusive': {
      const [, second] = rule.fields.filter((field) => valueAt(input, field) !== undefined);
      if (second === undefined) return undefined;
      return { field: second, message: `Only one of ${rule.fields.join(', ')} may be given.` };
    }
    case 'only-when':
      if (valueAt(input, rule.field) === undefined || valueAt(input, rule.other) === rule.is) return undefined;
      return { field: rule.field, message: `It requires ${rule.other} to be ${rule.is}.` };
  }
}

function valueAt(input: unknown, path: string): unknown {
  let at = input;
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string, unknown>)[step];
  }
  return at;
}
