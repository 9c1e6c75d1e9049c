// The handlers of the endpoints for users of the organization.
import { createUser, deleteUser, getUser, listUsers, updateUser } from '../../identity/users.ts';
import { accessWriter, reader, writer } from '../handler.ts';

export const userHandlers = {
  listUsers: reader(listUsers),
  createUser: writer(createUser),
  getUser: reader(getUser),
  updateUser: accessWriter(updateUser),
  deleteUser: accessWriter(deleteUser),
};
