// The switch's own small database: DNs, registrations, and which calls are up (SQLite, WAL; survives kill -9).
import Database from 'better-sqlite3';
import { type DnType, SETTING_NAMES } from '../dn-settings.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { DigestAlgorithm } from '../sip/digest.ts';
import type { Protocol } from '../sip/user-agent.ts';
import { AgentLogins } from './agent-logins.ts';
import type { Dn } from './dn.ts';
import { LateWrites } from './late-writes.ts';
import { makePrivate } from './private-file.ts';
import { Remembered } from './remembered.ts';
import { migrate } from './switch-schema.ts';

/** One registered contact of a DN (RFC 3261 section 10): where it can be reached, and the way its REGISTER came. */
export interface Registration {
  number: string;
  /** The Contact URI as registered: the Request-URI of calls to it. */
  contact: string;
  protocol: Protocol;
  /** Source of the REGISTER, which is where calls are sent (the phone may sit behind NAT). */
  address: string;
  port: number;
  /** Wall clock, milliseconds since 1970. */
  expiresAt: number;
  callId: string;
  cseq: number;
  userAgent: string | null;
  /** The proxies between, as the Path header says them (RFC 3327). */
  path?: string | null;
}

/** A call that is up, so that a restart knows what the last life left behind. */
export interface OpenCall {
  call: string;
  recording: string | null;
}

const LOCK_WAIT_MS = 100;

/** A row of the table; null: not said. */
interface DnRow {
  number: string;
  type: DnType;
  name: string | null;
  record: number | null;
  recordConsultCalls: number | null;
  mandatory: number | null;
  recordingFilename: string | null;
  retention: string | null;
  anchor: Dn['anchor'] | null;
  srtp: Dn['srtp'] | null;
  ha1: string | null;
  ha1Sha256: string | null;
  realm: string | null;
}

const DN_COLUMNS = `number, type, name, record, record_consult_calls AS recordConsultCalls, mandatory,
  recording_filename AS recordingFilename, retention, anchor, srtp, ha1, ha1_sha256 AS ha1Sha256, realm`;

export class DnStore {
  readonly logins: AgentLogins;
  readonly #db: Database.Database;
  readonly #selectDn: Database.Statement<[string], DnRow>;
  readonly #selectRegistrations: Database.Statement<[string], Registration>;
  readonly #openCall: Database.Statement<[string, string | null]>;
  readonly #closeCall: Database.Statement<[string]>;
  /** What calls and phones need is never refused: while the disk takes nothing it is kept in memory, and written later. */
  readonly #late: LateWrites;
  readonly #lateRegistrations = new Map<string, readonly Registration[]>();
  readonly #dns: Remembered<Dn>;
  /** Contacts as they stand in the database, expired ones too. */
  readonly #contacts: Remembered<readonly Registration[]>;

  /**
   * @param onTrouble told once when the disk takes nothing, with the reason, and once (undefined) when it takes all again
   * @throws GrecError STATE_UNUSABLE
   */
  constructor(file: string, onTrouble: (reason: string | undefined) => void = () => undefined) {
    this.#db = open(file);
    this.#late = new LateWrites({ onTrouble, together: (writes) => this.#db.transaction(writes)() });
    this.logins = new AgentLogins(this.#db);
    this.#selectDn = this.#db.prepare(`SELECT ${DN_COLUMNS} FROM dn WHERE number = ?`);
    this.#selectRegistrations = this.#db.prepare(
      `SELECT number, contact, protocol, address, port, expires_at AS expiresAt, call_id AS callId, cseq,
        user_agent AS userAgent, path FROM registration WHERE number = ? ORDER BY rowid`,
    );
    this.#dns = new Remembered((number) => this.#readDn(number));
    this.#contacts = new Remembered((number) => this.#readContacts(number));
    this.#openCall = this.#db.prepare('INSERT OR REPLACE INTO open_call (call, recording) VALUES (?, ?)');
    this.#closeCall = this.#db.prepare('DELETE FROM open_call WHERE call = ?');
  }

  dn(number: string): Readonly<Dn> | undefined {
    return this.#dns.get(number);
  }

  #readDn(number: string): Dn | undefined {
    const row = this.#selectDn.get(number);
    return row && dnOf(row);
  }

  dns(): Dn[] {
    return this.#db.prepare<[], DnRow>(`SELECT ${DN_COLUMNS} FROM dn ORDER BY number`).all().map(dnOf);
  }

  /** All or none. */
  saveDns(dns: readonly Dn[]): void {
    this.#db.transaction(() => {
      for (const dn of dns) this.saveDn(dn);
    })();
  }

  saveDn(dn: Dn): void {
    this.#dns.forget(dn.number);
    this.#db
      .prepare<[DnRow]>(
        `INSERT INTO dn (number, type, name, record, record_consult_calls, mandatory, recording_filename, retention,
           anchor, srtp, ha1, ha1_sha256, realm)
         VALUES (@number, @type, @name, @record, @recordConsultCalls, @mandatory, @recordingFilename, @retention,
           @anchor, @srtp, @ha1, @ha1Sha256, @realm)
         ON CONFLICT (number) DO UPDATE SET type = excluded.type, name = excluded.name, record = excluded.record,
           record_consult_calls = excluded.record_consult_calls, mandatory = excluded.mandatory,
           recording_filename = excluded.recording_filename, retention = excluded.retention,
           anchor = excluded.anchor, srtp = excluded.srtp, ha1 = excluded.ha1, ha1_sha256 = excluded.ha1_sha256, realm = excluded.realm`,
      )
      .run(rowOf(dn));
  }

  /** H(number:realm:password) of a DN; undefined when its password was not set for this realm and algorithm. */
  ha1(number: string, algorithm: DigestAlgorithm, realm: string): string | undefined {
    const dn = this.dn(number);
    if (dn?.realm !== realm) return undefined;
    return algorithm === 'MD5' ? (dn.ha1 ?? undefined) : dn.ha1Sha256;
  }

  removeDn(number: string): boolean {
    this.#lateRegistrations.delete(number);
    this.#dns.forget(number);
    this.#contacts.forget(number);
    const isRemoved = this.#db.prepare('DELETE FROM dn WHERE number = ?').run(number).changes > 0;
    this.logins.forget(number);
    return isRemoved;
  }

  /** The contacts of a DN that have not expired, the freshest first. */
  registrations(number: string, now: number): Registration[] {
    const all = this.#lateRegistrations.get(number) ?? this.#contacts.get(number) ?? [];
    return all.filter(({ expiresAt }) => expiresAt > now);
  }

  #readContacts(number: string): Registration[] | undefined {
    const rows = this.#selectRegistrations.all(number);
    return rows.length === 0 ? undefined : rows;
  }

  /** Puts the whole set of a DN's contacts, the freshest first, in place of the old one, at once. Never refused. */
  replaceRegistrations(number: string, registrations: readonly Registration[]): void {
    this.#lateRegistrations.set(number, registrations);
    this.#late.write(`registrations ${number}`, () => {
      this.#writeRegistrations(number, registrations);
      this.#lateRegistrations.delete(number);
    });
  }

  #writeRegistrations(number: string, registrations: readonly Registration[]): void {
    const insert = this.#db.prepare(
      `INSERT INTO registration (number, contact, protocol, address, port, expires_at, call_id, cseq, user_agent, path)
       SELECT @number, @contact, @protocol, @address, @port, @expiresAt, @callId, @cseq, @userAgent, @path
       WHERE EXISTS (SELECT 1 FROM dn WHERE number = @number)`,
    );
    this.#contacts.forget(number);
    this.#db.transaction(() => {
      this.#db.prepare('DELETE FROM registration WHERE number = ?').run(number);
      for (const registration of registrations) insert.run({ path: null, ...registration });
    })();
  }

  /** The contacts of all DNs that have not expired. */
  allRegistrations(now: number): Registration[] {
    const numbers = this.#db.prepare<[number], { number: string }>(
      'SELECT DISTINCT number FROM registration WHERE expires_at > ?',
    );
    const all = new Set([...numbers.all(now).map(({ number }) => number), ...this.#lateRegistrations.keys()]);
    return [...all].flatMap((number) => this.registrations(number, now));
  }

  /** How many contacts there are, of all DNs. Those that wait for the disk are not counted. */
  registrationCount(now: number): number {
    const sql = 'SELECT count(*) AS count FROM registration WHERE expires_at > ?';
    return this.#db.prepare<[number], { count: number }>(sql).get(now)?.count ?? 0;
  }

  /** How many DNs have a contact. */
  registeredCount(now: number): number {
    const sql = 'SELECT count(DISTINCT number) AS count FROM registration WHERE expires_at > ?';
    return this.#db.prepare<[number], { count: number }>(sql).get(now)?.count ?? 0;
  }

  /** Never refused. A call that is recorded is known to the next life when this returns, another one a tenth of a second later. */
  noteOpenCall({ call, recording }: OpenCall): void {
    const write = () => void this.#openCall.run(call, recording);
    if (recording === null) this.#late.writeSoon(`call ${call}`, write);
    else this.#late.write(`call ${call}`, write);
  }

  /** Never refused. The next life may hear of a call that ended in the last tenth of a second of this one. */
  forgetOpenCall(call: string): void {
    if (this.#late.drop(`call ${call}`)) return;
    this.#late.writeSoon(`call ${call}`, () => void this.#closeCall.run(call));
  }

  openCalls(): OpenCall[] {
    return this.#db.prepare<[], OpenCall>('SELECT call, recording FROM open_call').all();
  }

  close(): void {
    this.#late.end();
    this.#db.close();
  }
}

function open(file: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    makePrivate(file);
    // Whoever else holds it (an operator's sqlite3) must not hold up calls.
    db = new Database(file, { timeout: LOCK_WAIT_MS });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.pragma('foreign_keys = ON');
    migrate(db);
    return db;
  } catch (thrown) {
    db?.close();
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError('STATE_UNUSABLE', `cannot use the DN database ${file}: ${messageOf(thrown)}`, {
      hint: 'check its permissions and the free space; a damaged one can be moved away and the DNs added again',
      cause: thrown,
    });
  }
}

function dnOf(row: DnRow): Dn {
  const { number, type, name, ha1, ha1Sha256, realm } = row;
  const said = {
    record: flagOf(row.record),
    'record-consult-calls': flagOf(row.recordConsultCalls),
    mandatory: flagOf(row.mandatory),
    'recording-filename': row.recordingFilename ?? undefined,
    retention: row.retention ?? undefined,
    anchor: row.anchor ?? undefined,
    srtp: row.srtp ?? undefined,
  };
  const dn: Dn = { number, type, name, ha1, realm, ...(ha1Sha256 !== null && { ha1Sha256 }) };
  // Only what is said: what is left out is inherited.
  for (const setting of SETTING_NAMES)
    if (said[setting] !== undefined) Object.assign(dn, { [setting]: said[setting] });
  return dn;
}

function rowOf(dn: Dn): DnRow {
  const { number, type = 'extension', name, ha1, realm } = dn;
  return {
    number,
    type,
    name,
    record: numberOf(dn.record),
    recordConsultCalls: numberOf(dn['record-consult-calls']),
    mandatory: numberOf(dn.mandatory),
    recordingFilename: dn['recording-filename'] ?? null,
    retention: dn.retention ?? null,
    anchor: dn.anchor ?? null,
    srtp: dn.srtp ?? null,
    ha1,
    ha1Sha256: dn.ha1Sha256 ?? null,
    realm,
  };
}

function flagOf(value: number | null): boolean | undefined {
  return value === null ? undefined : value === 1;
}

function numberOf(flag: boolean | undefined): number | null {
  return flag === undefined ? null : Number(flag);
}
