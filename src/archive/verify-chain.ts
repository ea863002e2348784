// The links of the chain, against each other and against what is noted of them.
import type { Finding } from './finding.ts';
import { isAct, type Link, linksFile } from './links.ts';
import type { NotedLinks } from './noted-links.ts';
import type { SeenLink } from './verify-recording.ts';

export interface ChainToCheck {
  seen: readonly SeenLink[];
  noted: NotedLinks;
  /** Whether a link must be there; all must, when absent. */
  isWanted?: (link: Link) => boolean;
}

/** What is wrong with the chain. */
export function checkChain({ seen, noted, isWanted }: ChainToCheck): Finding[] {
  const bySequence = new Map<number, SeenLink>();
  const findings: Finding[] = [];
  for (const link of seen) {
    const other = bySequence.get(link.sequence);
    if (other === undefined) bySequence.set(link.sequence, link);
    else if (other.sha256 !== link.sha256 || other.path !== link.path)
      findings.push(
        finding('link-double', link, `link ${link.sequence} is that of recording ${other.id} as well`),
      );
  }
  const expected = isWanted === undefined ? noted.all() : [...noted.all()].filter(isWanted);
  const missing = [...expected].filter(({ sequence }) => !bySequence.has(sequence));
  return [
    ...findings,
    ...missing.map(missingLink),
    ...[...bySequence.values()].flatMap((link) => checkLink(link, bySequence, noted)),
    ...(isWanted === undefined ? findGaps(bySequence, noted) : []),
  ];
}

function missingLink(link: Link): Finding {
  const { sequence } = link;
  if (isAct(link)) return finding('act-missing', link, `link ${sequence} is missing: the act is not there`);
  const message = `link ${sequence} is missing: no signed manifest of this recording has it`;
  return finding('recording-missing', link, message);
}

function finding(code: Finding['code'], { id, path, sequence }: Link, message: string): Finding {
  return { code, id, path, sequence, message };
}

/** Whether it follows from the one before, and is noted as it is. */
function checkLink(link: SeenLink, bySequence: ReadonlyMap<number, SeenLink>, noted: NotedLinks): Finding[] {
  const findings: Finding[] = [];
  const { sequence, previous } = link;
  const before = previous === null ? undefined : (bySequence.get(sequence - 1) ?? noted.at(sequence - 1));
  if (before !== undefined && before.sha256 !== previous?.sha256)
    findings.push(
      finding(
        'link-broken',
        link,
        `link ${sequence} does not follow from link ${sequence - 1}, which is recording ${before.id}: one of the two was replaced`,
      ),
    );
  return [...findings, ...checkNote(link, noted)];
}

/** What is wrong with a note is wrong in its file, not in the recording. */
function checkNote(link: SeenLink, noted: NotedLinks): Finding[] {
  if (noted.isEmpty) return [];
  const { sequence, id, sha256 } = link;
  const note = noted.at(sequence);
  const path = linksFile('', sequence);
  if (note === undefined)
    return [
      { code: 'links-missing', sequence, path, message: `link ${sequence}, recording ${id}, is not noted` },
    ];
  if (note.sha256 === sha256 && note.path === link.path && note.id === id) return [];
  return [
    {
      code: 'links-damaged',
      sequence,
      path,
      message: `link ${sequence}, recording ${id}, is noted otherwise`,
    },
  ];
}

/** Numbers that neither a manifest nor a note has. */
function findGaps(bySequence: ReadonlyMap<number, SeenLink>, noted: NotedLinks): Finding[] {
  const known = new Set([...bySequence.keys(), ...[...noted.all()].map(({ sequence }) => sequence)]);
  const findings: Finding[] = [];
  let before = 0;
  for (const sequence of [...known].sort((one, other) => one - other)) {
    if (sequence > before + 1) {
      const which =
        sequence === before + 2 ? `link ${before + 1} is` : `links ${before + 1} to ${sequence - 1} are`;
      findings.push({
        code: 'link-missing',
        sequence: before + 1,
        message: `${which} missing: no recording and no note has the number`,
      });
    }
    before = sequence;
  }
  if (noted.isEmpty && bySequence.size > 0)
    findings.push({
      code: 'links-missing',
      path: 'chain',
      message: 'the notes of the chain are gone: whether recordings are missing at its end cannot be seen',
    });
  return findings;
}
