//! The system calls and the allocator: what needs `unsafe`. Nothing else of the helper does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Pid;

/// Size of the kernel's signal set, which is not glibc's.
const KERNEL_SIGSET_BYTES: usize = 8;

/// To wait for children of every kind, whatever signal their end sends.
pub(crate) const WAIT_FOR_EVERY_KIND: u32 = libc::__WALL.cast_unsigned();

/// Memory of the supervisor that no limit can take away: many times what it allocates between the fork and its last word.
const RESERVE_BYTES: usize = 512 << 10;

/// Stack that is there before the fork, likewise.
const STACK_BYTES: usize = 256 << 10;

/// The system's allocator, and where that refuses, because somebody lowered a limit, a reserve that is never given back.
struct Memory {
    reserve: UnsafeCell<[u8; RESERVE_BYTES]>,
    used: AtomicUsize,
}

#[global_allocator]
static MEMORY: Memory = Memory { reserve: UnsafeCell::new([0; RESERVE_BYTES]), used: AtomicUsize::new(0) };

// SAFETY: `used` hands out every part of the reserve once, and nothing else touches it.
unsafe impl Sync for Memory {}

// SAFETY: a block is the system's, or a part of the reserve of its own, aligned and large enough; the system gets back only its own.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { self.spare(layout) } else { block }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = self.reserve.get().addr();
        if !(start..start + RESERVE_BYTES).contains(&block.addr()) {
            // SAFETY: it does not lie in the reserve, so it is the system's.
            unsafe { System.dealloc(block, layout) };
        }
    }
}

impl Memory {
    fn spare(&self, layout: Layout) -> *mut u8 {
        let Some(length) = layout.size().checked_add(layout.align()) else { return null_mut() };
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(length).filter(|used| *used <= RESERVE_BYTES));
        let Ok(offset) = taken else { return null_mut() };
        let block = self.reserve.get().cast::<u8>().wrapping_add(offset);
        block.wrapping_add(block.align_offset(layout.align()))
    }
}

/// Makes the stack as large as it will ever be: growing later asks a limit.
#[inline(never)]
pub(crate) fn grow_stack() {
    std::hint::black_box(&mut [0_u8; STACK_BYTES]);
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one.
    Parent(Pid),
}

/// Closes every descriptor but the standard three.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: the first call of `main`: no descriptor above 2 is owned by anything in this process yet.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) })
}

/// Marks every descriptor but the standard three to be closed by exec.
pub(crate) fn close_on_exec() -> io::Result<()> {
    // SAFETY: closes nothing now, so every owned descriptor stays valid.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
}

/// Gives every signal its default action, the two that glibc hides included: its posix_spawn leaves them ignored.
pub(crate) fn default_signals() {
    for signal in 1..=64_i32 {
        let action = [0_u64; 4];
        // SAFETY: `action` is at least as large as the kernel's sigaction, all zero is `SIG_DFL` without flags, and no handler of this
        // process is relied on. SIGKILL and SIGSTOP answer EINVAL, which is their default action kept.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), null::<u64>(), KERNEL_SIGSET_BYTES) };
    }
}

/// Blocks SIGCHLD, which is read from a descriptor, and nothing else.
pub(crate) fn block_only_child_signal() -> io::Result<()> {
    set_signal_mask(1 << (libc::SIGCHLD - 1))
}

/// Blocks nothing.
pub(crate) fn block_no_signal() -> io::Result<()> {
    set_signal_mask(0)
}

fn set_signal_mask(mask: u64) -> io::Result<()> {
    // SAFETY: `mask` lives through the call and has the size that is passed.
    check(unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, null::<u64>(), KERNEL_SIGSET_BYTES) })
}

/// A descriptor that is readable when a child ended. SIGCHLD must be blocked.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: an all-zero `sigset_t` is storage that sigemptyset initialises; the descriptor returned is new and owned by nobody.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// A child that ended and was not reaped, if there is one.
pub(crate) fn ended_child() -> Option<Pid> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: all zero is a valid `siginfo_t`, and the call may write it; what it leaves zero, or fills for a child, has a process id.
    let pid = unsafe {
        let mut info: libc::siginfo_t = zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, flags);
        info.si_pid()
    };
    Pid::from_raw(pid)
}

/// Forks this process.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the helper is single-threaded, so the child may allocate, lock and go on like any process.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Fork::Child),
        pid => Pid::from_raw(pid.max(0)).map(Fork::Parent).ok_or_else(io::Error::last_os_error),
    }
}

/// Becomes the program; returns only why not.
pub(crate) fn execve(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> { texts.iter().map(|text| text.as_ptr()).chain([null()]).collect() };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end in a null pointer, and the strings that they point to outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// CPU time in milliseconds, and the largest resident set in KiB, of all processes that were waited for.
pub(crate) fn children_usage() -> (u64, u64) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is writable and of the right type; all zero is a valid value of it should the call fail.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let millis = |time: libc::timeval| u64::try_from(time.tv_sec * 1000 + time.tv_usec / 1000).unwrap_or(0);
    (millis(usage.ru_utime) + millis(usage.ru_stime), u64::try_from(usage.ru_maxrss).unwrap_or(0))
}

/// The kernel's Landlock ABI; 0 without Landlock.
pub(crate) fn landlock_abi() -> i64 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes a null attribute of size 0 and answers a number.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null::<u8>(), 0_usize, VERSION) }.max(0)
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_hands_out_each_part_once_aligned_and_then_nothing() {
        let memory = Memory { reserve: UnsafeCell::new([0; RESERVE_BYTES]), used: AtomicUsize::new(0) };
        let start = memory.reserve.get().addr();
        let mut free_from = start;
        for (size, align) in [(1, 1), (24, 8), (3, 1), (100, 64), (0, 16), (4096, 4096)] {
            let block = memory.spare(Layout::from_size_align(size, align).unwrap()).addr();
            assert!(block >= free_from && block.is_multiple_of(align), "{size} at {align}");
            free_from = block + size;
        }
        for size in [RESERVE_BYTES, isize::MAX.cast_unsigned()] {
            assert!(memory.spare(Layout::from_size_align(size, 1).unwrap()).is_null());
        }
        let rest = std::iter::repeat_with(|| memory.spare(Layout::from_size_align(1024, 1).unwrap())).take_while(|block| !block.is_null());
        assert!(rest.map(|block| block.addr() + 1024).max().unwrap() <= start + RESERVE_BYTES);
    }
}
