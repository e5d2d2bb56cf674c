/**
 * The few lines of bash around a command. Descriptors: 3 is the script (bash keeps its own copy), 4 the control socket.
 * They move to 199 (control) and 197 (the output pipe, wherever a command has sent stdout) and are closed for commands.
 */
export const SHELL_PROLOGUE = [
  'exec 197>&1 199>&4 3<&- 4>&-',
  'BASH_ARGV0=bash',
  'builtin shopt -s expand_aliases',
  'builtin cd /workspace',
].join('\n');

/** What `declare`, `alias`, `shopt` and `set` print can be run again to have the same shell. */
const STATE = [
  'builtin declare -p',
  'builtin declare -f',
  'builtin alias -p',
  'builtin shopt -p',
  'builtin umask -p',
  `builtin printf 'builtin cd -- %q\\n' "$PWD"`,
  'builtin set +o',
].join('; ');

/**
 * Reports the end of the command before it: exit code and state on the control socket, the end mark on the output pipe.
 * The first line also lets the parser recover from a command with an unclosed quote.
 */
export function shellEpilogue(nonce: string): string {
  return [
    '__deckhand_status=$?',
    `{ builtin printf '%s %s\\n' ${nonce} "$__deckhand_status" >&199; { ${STATE}; } >&199;` +
      ` builtin printf '\\0' >&199; builtin printf '\\0%s\\0' ${nonce} >&197; } 2>/dev/null`,
    '',
  ].join('\n');
}

/** One shell word, whatever it holds. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
