// The session description as values: what stands in which line (RFC 8866 section 5).

/** `o=`: numeric strings keep their digits, whatever their size. */
export interface Origin {
  username: string;
  sessionId: string;
  sessionVersion: string;
  addressType: AddressType;
  address: string;
}

export type AddressType = 'IP4' | 'IP6';

/** `c=IN …`: `address` is a numeric address or host name; a multicast suffix (`/ttl/count`) stays in `suffix`. */
export interface Connection {
  addressType: AddressType;
  address: string;
  suffix?: string;
}

/** `b=TYPE:VALUE`, in kilobits per second for most types. */
export interface Bandwidth {
  type: string;
  value: string;
}

/** `a=name` or `a=name:value`; an empty value is not the same as none. */
export interface Attribute {
  name: string;
  value?: string;
}

/** A line that is kept as it stood. */
export interface Line {
  type: string;
  value: string;
}

export interface SessionDescription {
  origin: Origin;
  /** `s=`, `-` when the line was missing. */
  sessionName: string;
  /** `i= u= e= p=` in their order. */
  information: Line[];
  connection?: Connection;
  bandwidths: Bandwidth[];
  /** `t= r= z=` in their order. */
  timing: Line[];
  /** `k=` and lines of unknown types. */
  other: Line[];
  attributes: Attribute[];
  media: MediaDescription[];
}

export interface MediaDescription {
  /** audio, video, image, application … */
  media: string;
  /** 0 for a refused or disabled stream (RFC 3264 section 6). */
  port: number;
  portCount?: number;
  /** RTP/AVP, RTP/SAVPF, udptl … */
  protocol: string;
  /** Payload types of RTP; otherwise what the protocol says. */
  formats: string[];
  /** `i=` */
  title?: string;
  connection?: Connection;
  bandwidths: Bandwidth[];
  /** `k=` and lines of unknown types. */
  other: Line[];
  attributes: Attribute[];
}

/** The value of the first attribute of that name; '' for one without a value, undefined when there is none. */
export function attributeOf(of: { attributes: Attribute[] }, name: string): string | undefined {
  const found = of.attributes.find((attribute) => attribute.name === name);
  return found === undefined ? undefined : (found.value ?? '');
}
