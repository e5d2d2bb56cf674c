/**
 * A seccomp filter for the sandbox: what a shell, a compiler or a test run never needs and an escape would start with.
 * The program is classic BPF over `struct seccomp_data {int nr; u32 arch; u64 ip; u64 args[6]}` (linux/seccomp.h).
 * ptrace is among the refused calls, so strace and gdb do not work in a sandbox.
 */

interface Architecture {
  /** AUDIT_ARCH_* of linux/audit.h. */
  audit: number;
  clone: number;
  clone3: number;
  ioctl: number;
  socket: number;
  denied: number[];
}

/** Numbers that all architectures share since Linux 5.1: the mount API, pidfd-era and io_uring calls. */
const DENIED_EVERYWHERE = [
  425,
  426,
  427, // io_uring_setup, io_uring_enter, io_uring_register
  428,
  429,
  430,
  431,
  432,
  433,
  442, // open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
  438, // pidfd_getfd
];

const ARCHITECTURES: Record<string, Architecture> = {
  x64: {
    audit: 0xc000003e,
    clone: 56,
    clone3: 435,
    ioctl: 16,
    socket: 41,
    denied: [
      101,
      310,
      311, // ptrace, process_vm_readv, process_vm_writev
      272,
      308, // unshare, setns
      155,
      161,
      165,
      166, // pivot_root, chroot, mount, umount2
      167,
      168,
      169,
      163,
      179, // swapon, swapoff, reboot, acct, quotactl
      103,
      172,
      173, // syslog, iopl, ioperm
      175,
      176,
      313,
      246,
      320, // init_module, delete_module, finit_module, kexec_load, kexec_file_load
      248,
      249,
      250, // add_key, request_key, keyctl
      298,
      321,
      323, // perf_event_open, bpf, userfaultfd
      303,
      304, // name_to_handle_at, open_by_handle_at
    ],
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    clone3: 435,
    ioctl: 29,
    socket: 198,
    denied: [
      117,
      270,
      271, // ptrace, process_vm_readv, process_vm_writev
      97,
      268, // unshare, setns
      41,
      51,
      40,
      39, // pivot_root, chroot, mount, umount2
      224,
      225,
      142,
      89,
      60, // swapon, swapoff, reboot, acct, quotactl
      116, // syslog
      105,
      106,
      273,
      104,
      294, // init_module, delete_module, finit_module, kexec_load, kexec_file_load
      217,
      218,
      219, // add_key, request_key, keyctl
      241,
      280,
      282, // perf_event_open, bpf, userfaultfd
      264,
      265, // name_to_handle_at, open_by_handle_at
    ],
  },
};

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: no nested namespaces. */
const NAMESPACE_FLAGS = 0x7e020000;
/** TIOCSTI and TIOCLINUX put characters into somebody else's terminal. */
const DENIED_IOCTLS = [0x5412, 0x541c];
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others (vsock, packet, alg…) reach past the network namespace or the kernel's dusty corners. */
const ALLOWED_FAMILIES = [1, 2, 10, 16];

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const ALLOW = 0x7fff0000;
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const OFFSET_NR = 0;
const OFFSET_ARCH = 4;
const OFFSET_ARGS = 16;

type Instruction = [code: number, jumpTrue: number, jumpFalse: number, operand: number];

const load = (offset: number): Instruction => [LOAD_WORD, 0, 0, offset];
const allow: Instruction = [RETURN, 0, 0, ALLOW];
const refuse = (errno: number): Instruction => [RETURN, 0, 0, 0x00050000 | errno];

/** `then` runs only when the loaded word fits the test, and must end in a return. */
function when(jump: number, operand: number, then: Instruction[]): Instruction[] {
  return [[jump, 0, then.length, operand], ...then];
}

/** The filter as bwrap's `--seccomp` takes it, or null on an architecture whose call numbers we do not know. */
export function seccompProgram(arch: string): Buffer | null {
  const target = ARCHITECTURES[arch];
  if (target === undefined) return null;
  const program: Instruction[] = [
    load(OFFSET_ARCH),
    [JUMP_EQUAL, 1, 0, target.audit],
    // 32-bit calls have other numbers: none of them.
    refuse(ENOSYS),
    load(OFFSET_NR),
    // The x32 ABI sets this bit on otherwise known numbers.
    ...when(JUMP_GREATER_OR_EQUAL, 0x40000000, [refuse(ENOSYS)]),
    ...[...target.denied, ...DENIED_EVERYWHERE].flatMap((nr) => when(JUMP_EQUAL, nr, [refuse(EPERM)])),
    // Its flags sit behind a pointer that a filter cannot follow; libc falls back to clone.
    ...when(JUMP_EQUAL, target.clone3, [refuse(ENOSYS)]),
    ...when(JUMP_EQUAL, target.clone, [
      load(OFFSET_ARGS),
      ...when(JUMP_ANY_BIT, NAMESPACE_FLAGS, [refuse(EPERM)]),
      allow,
    ]),
    ...when(JUMP_EQUAL, target.ioctl, [
      load(OFFSET_ARGS + 8),
      ...DENIED_IOCTLS.flatMap((request) => when(JUMP_EQUAL, request, [refuse(EPERM)])),
      allow,
    ]),
    ...when(JUMP_EQUAL, target.socket, [
      load(OFFSET_ARGS),
      ...ALLOWED_FAMILIES.flatMap((family) => when(JUMP_EQUAL, family, [allow])),
      refuse(EAFNOSUPPORT),
    ]),
    allow,
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, jumpTrue, jumpFalse, operand], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  });
  return bytes;
}
