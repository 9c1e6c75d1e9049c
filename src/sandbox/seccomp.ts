// Builds the system call filter of a sandbox: a raw BPF program, which `bwrap --seccomp` loads (seccomp(2)).

export type SeccompArchitecture = 'x64' | 'arm64';

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 (linux/audit.h). */
const AUDIT_ARCHITECTURE: Record<SeccompArchitecture, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/**
 * System calls that are rejected with EPERM, as [number on x86_64, number on aarch64]. A number is undefined if the
 * architecture has no such call. These calls change the kernel or other processes, and no script of a package needs them.
 * They concern mounts and namespaces (a nested namespace gives capabilities back), keys, BPF, tracing, io_uring (its file and
 * socket calls bypass the filter), modules, clocks and swap.
 */
const REJECTED: Record<string, readonly [number | undefined, number | undefined]> = {
  _sysctl: [156, undefined],
  acct: [163, 89],
  add_key: [248, 217],
  adjtimex: [159, 171],
  bpf: [321, 280],
  clock_adjtime: [305, 266],
  clock_settime: [227, 112],
  create_module: [174, undefined],
  delete_module: [176, 106],
  fanotify_init: [300, 262],
  finit_module: [313, 273],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fspick: [433, 433],
  get_kernel_syms: [177, undefined],
  init_module: [175, 105],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  io_uring_setup: [425, 425],
  ioperm: [173, undefined],
  iopl: [172, undefined],
  kcmp: [312, 272],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  lookup_dcookie: [212, 18],
  memfd_secret: [447, 447],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  name_to_handle_at: [303, 264],
  nfsservctl: [180, 42],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  open_tree_attr: [467, 467],
  perf_event_open: [298, 241],
  pidfd_getfd: [438, 438],
  pivot_root: [155, 41],
  process_madvise: [440, 440],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  query_module: [178, undefined],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  reboot: [169, 142],
  request_key: [249, 218],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  setns: [308, 268],
  settimeofday: [164, 170],
  swapoff: [168, 225],
  swapon: [167, 224],
  syslog: [103, 116],
  sysfs: [139, undefined],
  umount2: [166, 39],
  unshare: [272, 97],
  uselib: [134, undefined],
  userfaultfd: [323, 282],
  vhangup: [153, 58],
};

/** The numbers of clone. The filter allows or rejects clone by an argument. */
const CLONE: Record<SeccompArchitecture, number> = { x64: 56, arm64: 220 };
const SOCKET: Record<SeccompArchitecture, number> = { x64: 41, arm64: 198 };
const SOCKET_PAIR: Record<SeccompArchitecture, number> = { x64: 53, arm64: 199 };
const IOCTL: Record<SeccompArchitecture, number> = { x64: 16, arm64: 29 };
/** The numbers of memfd_create. It is rejected if nothing can count the memory of its files. */
const MEMFD_CREATE: Record<SeccompArchitecture, number> = { x64: 319, arm64: 279 };
/**
 * The numbers of io_setup. The call is rejected, because its contexts count towards a limit of the whole machine
 * (fs.aio-max-nr). Databases work without the call, because some kernels do not have it.
 */
const IO_SETUP: Record<SeccompArchitecture, number> = { x64: 206, arm64: 0 };
/**
 * The number of clone3. It fails with ENOSYS, because its flags are in memory, where a filter cannot read them. Every C
 * library then uses clone.
 */
const CLONE3 = 435;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h). */
const CLONE_NAMESPACES = 0x7e020000;
/**
 * AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK. All other families fail as on a kernel that does not have them. Examples are
 * AF_ALG (kernel crypto), AF_VSOCK (reaches the host of a virtual machine from any network namespace), and families whose
 * first use loads a kernel module.
 */
const ALLOWED_SOCKET_FAMILIES = [1, 2, 10, 16];
/** TIOCSTI and TIOCLINUX. They are rejected, because they insert input into a terminal. */
const REJECTED_TERMINAL_REQUESTS = [0x5412, 0x541c];
/**
 * Calls with this number or a higher one are rejected. On x86_64 these are the x32 calls, which are second numbers for all
 * lower calls (__X32_SYSCALL_BIT).
 */
const X32 = 0x40000000;

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Instructions of classic BPF (linux/bpf_common.h, linux/seccomp.h). */
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO = 0x00050000;

/** Offsets in struct seccomp_data. Arguments have 64 bits. On both architectures, the low half comes first. */
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const ARGUMENT_AT = [16, 24] as const;

type Instruction = { code: number; ifTrue?: number; ifFalse?: number; value: number };

/**
 * Returns the filter for this architecture, as an array of struct sock_filter in little-endian byte order. With `memfd`,
 * programs may create files that exist only in memory.
 */
export function seccompProgram(architecture: SeccompArchitecture, { memfd = true }: { memfd?: boolean } = {}): Buffer {
  const program: Instruction[] = [
    { code: LOAD_WORD, value: ARCHITECTURE_AT },
    { code: JUMP_EQUAL, ifTrue: 1, value: AUDIT_ARCHITECTURE[architecture] },
    { code: RETURN, value: KILL_PROCESS },
    { code: LOAD_WORD, value: NUMBER_AT },
  ];
  if (architecture === 'x64') program.push(...rejectWhen(JUMP_GREATER_EQUAL, X32, EPERM));
  program.push(...rejectWhen(JUMP_EQUAL, CLONE3, ENOSYS));
  program.push(...rejectWhen(JUMP_EQUAL, IO_SETUP[architecture], ENOSYS));
  if (!memfd) program.push(...rejectWhen(JUMP_EQUAL, MEMFD_CREATE[architecture], ENOSYS));
  for (const numbers of Object.values(REJECTED)) {
    const number = numbers[architecture === 'x64' ? 0 : 1];
    if (number !== undefined) program.push(...rejectWhen(JUMP_EQUAL, number, EPERM));
  }
  program.push(
    ...checkArgument(CLONE[architecture], 0, rejectWhen(JUMP_ANY_BIT, CLONE_NAMESPACES, EPERM)),
    ...checkArgument(SOCKET[architecture], 0, allowOnly(ALLOWED_SOCKET_FAMILIES, EAFNOSUPPORT)),
    ...checkArgument(SOCKET_PAIR[architecture], 0, allowOnly(ALLOWED_SOCKET_FAMILIES, EAFNOSUPPORT)),
    ...checkArgument(IOCTL[architecture], 1, rejectEach(REJECTED_TERMINAL_REQUESTS)),
    { code: RETURN, value: ALLOW },
  );
  return assemble(program);
}

function rejectWhen(jump: number, value: number, errno: number): Instruction[] {
  return [
    { code: jump, ifFalse: 1, value },
    { code: RETURN, value: ERRNO + errno },
  ];
}

function allowOnly(values: number[], errno: number): Instruction[] {
  const allowed = values.flatMap((value) => [
    { code: JUMP_EQUAL, ifFalse: 1, value },
    { code: RETURN, value: ALLOW },
  ]);
  return [...allowed, { code: RETURN, value: ERRNO + errno }];
}

function rejectEach(values: number[]): Instruction[] {
  return values.flatMap((value) => rejectWhen(JUMP_EQUAL, value, EPERM));
}

/**
 * Returns the instructions for one call. They load an argument, apply the checks, and allow the call. For any other call,
 * they are skipped.
 */
function checkArgument(number: number, argument: 0 | 1, checks: Instruction[]): Instruction[] {
  return [
    { code: JUMP_EQUAL, ifFalse: checks.length + 2, value: number },
    { code: LOAD_WORD, value: ARGUMENT_AT[argument] },
    ...checks,
    { code: RETURN, value: ALLOW },
  ];
}

function assemble(program: Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, ifTrue = 0, ifFalse = 0, value }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  }
  return bytes;
}
