// The direction of the audio, changed in a description (RFC 3264 section 5.1).
import { audioOf, type Direction, isDirection } from './audio.ts';
import type { Attribute, SessionDescription } from './session-description.ts';

/** A copy whose audio goes that way. Without audio it is a plain copy. */
export function withDirection(sdp: SessionDescription, direction: Direction): SessionDescription {
  const audio = audioOf(sdp);
  const media = sdp.media.map((one) =>
    one === audio ? { ...one, attributes: [...undirected(one.attributes), { name: direction }] } : one,
  );
  return structuredClone({ ...sdp, attributes: undirected(sdp.attributes), media });
}

function undirected(attributes: Attribute[]): Attribute[] {
  return attributes.filter(({ name }) => !isDirection(name));
}
