//! The contract's heap. Beside `imports.rs` the only unsafe code of the SDK.
//!
//! A call lives shortly, and its memory with it. So blocks have sizes that are powers of two, freed ones wait in a list for the next
//! of their size, and new ones come from the end of what is used: first from the rest of the page in which the contract's data end,
//! which costs no gas, then from pages that the memory grows by. This is a tenth of the code of an allocator that joins free blocks.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::NonNull;

const PAGE_BYTES: usize = 1 << 16;
/// The smallest block. Every block is aligned to this, which is what the largest number asks for.
const SMALLEST: usize = 16;

/// `free[n]` is the first freed block of 2ⁿ bytes; each holds the address of the next.
struct Blocks {
    free: [usize; 32],
    /// Where new blocks begin; 0 before the first.
    unused: usize,
}

struct Heap(UnsafeCell<Blocks>);

// SAFETY: contracts have one thread.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Blocks { free: [0; 32], unused: 0 }));

unsafe extern "C" {
    /// Where the contract's data end, by the linker. Only its address has a meaning.
    static __heap_base: u8;
}

fn block_bytes(bytes: usize) -> usize {
    bytes.max(SMALLEST).next_power_of_two()
}

/// The index of a size's list. The mask tells the compiler that there is such a list.
fn list_of(block_bytes: usize) -> usize {
    block_bytes.trailing_zeros() as usize & 31
}

impl Heap {
    /// A new block. The type tells the compiler that there is always one, which leaves out what Rust does when there is none.
    #[inline(never)]
    fn take(&self, bytes: usize) -> NonNull<u8> {
        let bytes = block_bytes(bytes);
        // SAFETY: nobody else holds a reference, as this code calls nothing that allocates.
        let blocks = unsafe { &mut *self.0.get() };
        let list = list_of(bytes);
        let mut block = blocks.free[list];
        if block != 0 {
            // SAFETY: a freed block begins with the address of the next one.
            blocks.free[list] = unsafe { *(block as *const usize) };
        } else {
            if blocks.unused == 0 {
                blocks.unused = (&raw const __heap_base as usize).next_multiple_of(SMALLEST);
            }
            block = blocks.unused;
            // No sum overflows: the memory ends at 2²⁶, and a block at 2³¹.
            blocks.unused = block + bytes;
            let memory = core::arch::wasm32::memory_size(0) * PAGE_BYTES;
            if blocks.unused > memory {
                let pages = (blocks.unused - memory).div_ceil(PAGE_BYTES);
                if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                    crate::host::fail(b"the contract ran out of memory");
                }
            }
        }
        // SAFETY: no block lies at 0, where the stack or the data are.
        unsafe { NonNull::new_unchecked(block as *mut u8) }
    }
}

// SAFETY: a block that is given out is as large and as aligned as its layout asks for, lies in the memory behind the data, and overlaps
// no other: it comes from `unused`, which only grows, or from a list of blocks that were given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > SMALLEST {
            crate::host::fail(b"the contract asks for memory with an alignment of more than 16 bytes");
        }
        self.take(layout.size()).as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let blocks = unsafe { &mut *self.0.get() };
        let list = list_of(block_bytes(layout.size()));
        // SAFETY: the block is nobody's any more, and holds at least 16 bytes.
        unsafe { *block.cast::<usize>() = blocks.free[list] };
        blocks.free[list] = block as usize;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if block_bytes(size) == block_bytes(layout.size()) {
            return block;
        }
        let moved = self.take(size).as_ptr();
        // SAFETY: both blocks have this many bytes, and the caller promises that the old one has this layout.
        unsafe {
            moved.copy_from_nonoverlapping(block, size.min(layout.size()));
            self.dealloc(block, layout);
        }
        moved
    }
}
