/** The Content-Digest header of a body (RFC 9530). */
import { createHash } from 'node:crypto';
export function contentDigest(bytes) {
    return `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;
}
//# sourceMappingURL=content-digest.js.map