// The handlers of the endpoints for credentials of hosted registries. Makes their passwords, which are shown once.
import {
  createRegistryCredential as create,
  deleteRegistryCredential,
  getRegistryCredential,
  listRegistryCredentials,
} from '../../catalog/registry-credentials.ts';
import { newRegistryPassword } from '../../identity/registry-passwords.ts';
import { type Handler, reader, writer } from '../handler.ts';

const createRegistryCredential: Handler<'createRegistryCredential'> = ({ caller, write }, input) =>
  write((tx) => create(tx, caller, input, { password: newRegistryPassword() }));

export const registryCredentialHandlers = {
  listRegistryCredentials: reader(listRegistryCredentials),
  createRegistryCredential,
  getRegistryCredential: reader(getRegistryCredential),
  deleteRegistryCredential: writer(deleteRegistryCredential),
};
