// A software authenticator against the passkey block: what is right is let in, everything else is not.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import { beginSignIn, finishSignIn, type Passkey } from './passkeys.ts';

type Ways = { origin?: string; rp?: string; flags?: number; counter?: number; key?: KeyObject };
const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest();
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' }), other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { x, y } = own.publicKey.export({ format: 'jwk' });
// COSE: {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}
const cose = Buffer.concat([Buffer.from('a5010203262001215820', 'hex'), Buffer.from(x ?? '', 'base64url'), Buffer.from('225820', 'hex'), Buffer.from(y ?? '', 'base64url')]);
const passkey: Passkey = { id: Buffer.from('passkey-1').toString('base64url'), publicKey: new Uint8Array(cose), counter: 4, userId: 'u1' };

function answer(challenge: string, { origin = 'https://shop.example.com', rp = 'shop.example.com', flags = 0x05, counter = 5, key = own.privateKey }: Ways = {}): AuthenticationResponseJSON {
  const client = Buffer.from(JSON.stringify({ type: 'webauthn.get', challenge, origin, crossOrigin: false }));
  const count = Buffer.alloc(4);
  count.writeUInt32BE(counter);
  const data = Buffer.concat([sha256(rp), Buffer.from([flags]), count]);
  return {
    id: passkey.id, rawId: passkey.id, type: 'public-key', clientExtensionResults: {},
    response: { clientDataJSON: client.toString('base64url'), authenticatorData: data.toString('base64url'), signature: sign('sha256', Buffer.concat([data, sha256(client)]), key).toString('base64url') },
  };
}

const find = async (id: string): Promise<Passkey | undefined> => (id === passkey.id ? passkey : undefined);
const attempt = async (ways: Ways, change = (text: string): string => text): Promise<string | undefined> => {
  const { challenge } = await beginSignIn('s1');
  return finishSignIn('s1', answer(change(challenge), ways), find).catch(() => undefined);
};

for (const ways of [{ origin: 'https://sh0p.example.com' }, { rp: 'example.org' }, { flags: 0x01 }, { key: other.privateKey }, { counter: 3 }]) assert.equal(await attempt(ways), undefined, JSON.stringify(Object.keys(ways)));
assert.equal(await attempt({}, () => Buffer.from('another challenge').toString('base64url')), undefined);
assert.equal(await attempt({}), 'u1');
assert.equal(passkey.counter, 5);
passkey.counter = 0;                                                                                           // as of synced passkeys: only the challenge tells a replay
const { challenge } = await beginSignIn('s1');
const right = answer(challenge, { counter: 0 });
assert.equal(await finishSignIn('s2', right, find).catch(() => undefined), undefined);                        // another session's challenge
assert.equal(await finishSignIn('s1', right, find), 'u1');
assert.equal(await finishSignIn('s1', right, find).catch(() => undefined), undefined);                         // replayed
