/**
 * Cuts markdown where the pieces surely read the same alone as together: before a heading and around a fenced block,
 * both at the margin. So only the last piece of a growing text is parsed again. A text with something that may reach
 * across such places is one piece: definitions of links and footnotes, raw HTML, indented fences.
 */
export function splitMarkdown(text: string): string[] {
  if (/^ {0,3}(\[[^\]]+\]:|<)|^ {1,3}(```|~~~)/m.test(text)) return [text];
  const blocks: string[] = [];
  let block = '';
  let fence: string | null = null;
  for (const line of text.split(/(?<=\n)/)) {
    const marker = /^(`{3,}|~{3,})/.exec(line)?.[1] ?? null;
    if (fence !== null) {
      block += line;
      if (marker?.startsWith(fence) && line.slice(marker.length).trim() === '') {
        fence = null;
        blocks.push(block);
        block = '';
      }
      continue;
    }
    const opensFence = marker !== null && !(marker.startsWith('`') && line.slice(marker.length).includes('`'));
    if ((opensFence || /^#{1,6}\s/.test(line)) && block !== '') {
      blocks.push(block);
      block = '';
    }
    if (opensFence) fence = marker;
    block += line;
  }
  if (block !== '') blocks.push(block);
  return blocks;
}
