/** The last `limit` characters, never beginning with half of a surrogate pair. */
export function tailOf(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const cut = text.slice(-limit);
  return /^[\uDC00-\uDFFF]/.test(cut) ? cut.slice(1) : cut;
}
