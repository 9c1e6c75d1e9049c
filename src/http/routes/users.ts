// Users of the organization.
import { createUser, deleteUser, getUser, listUsers, updateUser } from '../../identity/users.ts';
import { reader, writer } from '../handler.ts';

export const userHandlers = {
  listUsers: reader(listUsers),
  createUser: writer(createUser),
  getUser: reader(getUser),
  updateUser: writer(updateUser),
  deleteUser: writer(deleteUser),
};
