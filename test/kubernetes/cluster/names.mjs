/**
 * A name server for pods, on port 53 of an address. It knows the names that it is given, and no others:
 *
 *   node names.mjs 10.96.0.10 NAME.NAMESPACE.svc.cluster.local=10.96.1.2 ...
 */
import { createSocket } from 'node:dgram';

const [host, ...given] = process.argv.slice(2);
const addresses = new Map(given.map((pair) => pair.split('=')));

/** The name in a question, whose labels begin behind the header of 12 bytes, and where the question ends. */
function questionIn(query) {
  const labels = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  // Behind the name: a zero, type and class.
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

/** The answer to a query (RFC 1035). */
function answerTo(query) {
  const { name, end } = questionIn(query);
  const address = addresses.get(name);
  const hasAnswer = address !== undefined && query.readUInt16BE(end - 4) === 1;
  const header = Buffer.from(query.subarray(0, 12));
  // An answer with authority, of a name that there is or is not.
  header.writeUInt16BE(address === undefined ? 0x8583 : 0x8580, 2);
  header.writeUInt16BE(hasAnswer ? 1 : 0, 6);
  header.fill(0, 8);
  // A pointer to the question's name; type A, class IN, 5 s, 4 bytes.
  const answer = hasAnswer ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)] : [];
  return Buffer.concat([header, query.subarray(12, end), Buffer.from(answer)]);
}

const socket = createSocket('udp4');
socket.on('message', (query, { address, port }) => socket.send(answerTo(query), port, address));
socket.bind(53, host);
