/**
 * Makes certificates (RFC 5280) for a cluster that has none: a small CA, and what it signs. Keys are P-256, drawn by
 * Node's OpenSSL, which signs as well; what is written here is the form around them.
 */
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { exitCodes, UserError } from '../errors.js';
import {
  bitString,
  der,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  tagged,
  time,
  utf8String,
  yes,
} from './der.js';

/** A certificate with its key, both as PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate is for: to be called by its names, or to come in with. */
export type CertificateUse = 'server' | 'client';

/** From when and until when, in milliseconds since 1970. */
export interface Period {
  readonly fromMs: number;
  readonly untilMs: number;
}

const ecdsaWithSha256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const purposes = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** @param name of the CA, for people */
export function newAuthority(name: string, period: Period): KeyedCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const extensions = [
    // A CA of which nothing but ends may hang.
    extension('2.5.29.19', sequence(yes(), integer(Buffer.of(0))), true),
    // keyCertSign and cRLSign.
    extension('2.5.29.15', bitString(Buffer.of(0b00000110), 1), true),
    extension('2.5.29.14', octetString(keyIdentifier(spki))),
  ];
  return signed({ issuer: name, subject: name, period, spki, extensions }, privateKey, privateKey);
}

/**
 * @param names that a server is called by, names and addresses; the first one is the certificate's own
 * @throws UserError 2 for a name that is none, 65 for an authority that is none of `newAuthority`'s
 */
export function newCertificate(
  authority: KeyedCertificate,
  purpose: CertificateUse,
  names: readonly string[],
  period: Period,
): KeyedCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const parent = new X509Certificate(authority.certificate);
  const parentSpki = parent.publicKey.export({ type: 'spki', format: 'der' });
  const extensions = [
    extension('2.5.29.19', sequence(), true),
    // digitalSignature.
    extension('2.5.29.15', bitString(Buffer.of(0b10000000), 7), true),
    extension('2.5.29.37', sequence(objectIdentifier(purposes[purpose]))),
    extension('2.5.29.17', sequence(...names.map(generalName))),
    extension('2.5.29.14', octetString(keyIdentifier(spki))),
    extension('2.5.29.35', sequence(der(0x80, keyIdentifier(parentSpki)))),
  ];
  const issuer = /^CN=(.*)$/m.exec(parent.subject)?.[1] ?? '';
  const subject = (names[0] ?? '').slice(0, 64);
  const made = signed({ issuer, subject, period, spki, extensions }, privateKey, createPrivateKey(authority.key));
  const certificate = new X509Certificate(made.certificate);
  if (!certificate.checkIssued(parent) || !certificate.verify(parent.publicKey))
    throw new UserError(
      `CA ${issuer}: its certificate and its key do not sign what is made here; a CA that stillhouse token made was wanted`,
      exitCodes.data,
    );
  return made;
}

interface ToSign {
  readonly issuer: string;
  readonly subject: string;
  readonly period: Period;
  /** The public key with its kind (SubjectPublicKeyInfo), as DER. */
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

type PrivateKey = ReturnType<typeof createPrivateKey>;

function signed(
  { issuer, subject, period, spki, extensions }: ToSign,
  own: PrivateKey,
  by: PrivateKey,
): KeyedCertificate {
  const content = sequence(
    tagged(0, integer(Buffer.of(2))), // Version 3.
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ecdsaWithSha256,
    distinguishedName(issuer),
    sequence(time(period.fromMs), time(period.untilMs)),
    distinguishedName(subject),
    spki,
    tagged(3, sequence(...extensions)),
  );
  const bytes = sequence(content, ecdsaWithSha256, bitString(sign('sha256', content, by)));
  const lines = bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(own.export({ type: 'pkcs8', format: 'pem' })),
  };
}

/** One common name. */
function distinguishedName(name: string): Buffer {
  return sequence(set(sequence(objectIdentifier('2.5.4.3'), utf8String(name))));
}

function extension(id: string, value: Uint8Array, isCritical = false): Buffer {
  return sequence(objectIdentifier(id), ...(isCritical ? [yes()] : []), octetString(value));
}

/** Names a key, so that a chain is found; RFC 7093, method 1. */
function keyIdentifier(spki: Uint8Array): Buffer {
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

function generalName(name: string): Buffer {
  const kind = isIP(name);
  if (kind !== 0) return der(0x87, kind === 4 ? Buffer.from(name.split('.').map(Number)) : bytesOfVersion6(name));
  if (!/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(name) || name.length > 253)
    throw new UserError(`--name ${name}: no name of a machine; one such as node1.example or 10.0.0.1 wanted`);
  return der(0x82, Buffer.from(name, 'ascii'));
}

function bytesOfVersion6(address: string): Buffer {
  const [, text = ''] = /^\[(.*)\]$/.exec(new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname) ?? [];
  const [left = '', right] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const [head, tail] = [groups(left), groups(right ?? '')];
  const bytes = Buffer.alloc(16);
  head.forEach((group, i) => bytes.writeUInt16BE(group, 2 * i));
  tail.forEach((group, i) => bytes.writeUInt16BE(group, 16 - 2 * (tail.length - i)));
  return bytes;
}
