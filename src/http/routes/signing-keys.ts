// The handlers of the endpoints for the keys that sign releases.
import { getSigningKey, listSigningKeys } from '../../identity/published-signing-keys.ts';
import { createSigningKey as create } from '../../identity/release-signing-keys.ts';
import { type Handler, reader } from '../handler.ts';

const createSigningKey: Handler<'createSigningKey'> = ({ caller, identity, write }, input) =>
  write((tx) => create(tx, caller, input, identity));

export const signingKeyHandlers = {
  listSigningKeys: reader(listSigningKeys),
  createSigningKey,
  getSigningKey: reader(getSigningKey),
};
