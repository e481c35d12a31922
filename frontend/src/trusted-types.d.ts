/** What TypeScript's own library does not know yet: https://www.w3.org/TR/trusted-types/ */
interface ScriptPolicy {
  createScriptURL(url: string): unknown;
}

declare var trustedTypes: { createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy } | undefined;
