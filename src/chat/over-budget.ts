/** Who raises a session's budget from chat, and how: said wherever one has used it up. */
export function raisedBy(session_id: string): string {
  return `Its agent’s owners and admins raise that with \`/sessions budget ${session_id} <dollars>\`; then it goes on.`;
}
