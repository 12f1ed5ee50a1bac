/* A QEMU plugin that counts what one single-threaded AArch64 guest executes, between the marker system calls
 * prctl(MARKER_PRCTL, MARKER_START | MARKER_STOP), cut into segments at each clock_gettime() of the guest.
 *
 * LiteRT's profiler reads the clock before and after each operator, so the cuts split a run by operator without a
 * change to LiteRT. While a run is counted the guest's clock is an instruction clock (one instruction is one
 * microsecond): LiteRT's profiler then prints exact instruction counts, by which its operators find their segments.
 *
 * Until the first marker the guest's code is not instrumented at all; then QEMU translates it anew, with counters. So
 * start, packing of weights and the inference to warm up run at QEMU's own speed.
 *
 * Options: parent=PID of the process with which QEMU ends; out=FILE, without which nothing is counted; and for the
 * simulation of caches l1=BYTES,l1_ways=N,l2=BYTES,l2_ways=N.
 * Output, one record a line:
 *   # columns NAME ...        what the numbers of an S record are
 *   S NUMBER ...              a segment ends
 *   BLOCK EXECUTIONS          (after S) a block that ran in that segment
 *   E                         a run ends
 *   T BLOCK WORDS             the machine code of a block, eight hexadecimal digits a word
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "blocks.h"
#include "caches.h"
#include "qemu.h"

/* QEMU reads this symbol before it calls qemu_plugin_install(). */
VISIBLE int qemu_plugin_version = 1;

enum { SYS_CLOCK_GETTIME = 113, SYS_PRCTL = 167 }; /* AArch64 Linux */

/* An option that prctl() does not know: the kernel answers EINVAL, nothing happens. runner.c has the same. */
#define MARKER_PRCTL 0x454d5500u
enum { MARKER_START = 1, MARKER_STOP = 2 };

enum { MAX_BLOCK_INSNS = 1024 }; /* QEMU ends a block at 512 */
enum { VIRTUAL_EPOCH_S = 1000000 }; /* any start that is not zero */

static void instrument(plugin_id id);

static FILE *out;
static bool instrumented; /* the guest's code has counters */
static bool measuring;
static bool simulate_caches;
static uint64_t segment_insns; /* written by QEMU, one add per executed block */
static MemoryCounts memory;

/* Host address of guest address 0; needed to write into the guest's timespec. */
static bool guest_base_known;
static uint64_t guest_base;
static uint64_t timespec_address;
static uint64_t virtual_us;

static void on_memory_access(unsigned vcpu, mem_info info, uint64_t address, void *data)
{
  (void)vcpu, (void)data;
  if (measuring) {
    caches_access(address, UINT64_C(1) << qemu_plugin_mem_size_shift(info), qemu_plugin_mem_is_store(info), &memory);
  }
}

static void clear_segment(void)
{
  segment_insns = 0;
  memset(&memory, 0, sizeof memory);
}

static void end_segment(void)
{
  fprintf(out, "S %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
          " %" PRIu64 "\n", segment_insns, memory.loads, memory.stores, memory.l1_load_misses,
          memory.l1_stream_misses, memory.l1_store_misses, memory.l2_load_misses, memory.l2_stream_misses,
          memory.l2_store_misses);
  blocks_write_counts(out);
  clear_segment();
}

static void begin(void)
{
  blocks_begin();
  clear_segment();
  measuring = true;
}

static void end(void)
{
  end_segment();
  measuring = false;
  fprintf(out, "E\n");
  blocks_write_table(out);
  if (fflush(out) != 0 || ferror(out)) {
    fprintf(stderr, "counter: the counts could not be written\n");
    exit(1);
  }
}

static void on_marker(plugin_id id, uint64_t which)
{
  if (which == MARKER_START && !instrumented) {
    qemu_plugin_reset(id, instrument); /* before the guest's next instruction */
  } else if (which == MARKER_START) {
    begin();
  } else if (measuring) {
    end();
  }
}

static void on_syscall(plugin_id id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
  (void)vcpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number == SYS_PRCTL && a1 == MARKER_PRCTL) {
    on_marker(id, a2);
  } else if (measuring && number == SYS_CLOCK_GETTIME) {
    virtual_us += segment_insns;
    timespec_address = a2;
    end_segment();
  }
}

/* QEMU has filled the guest's timespec by now: the instruction clock replaces it. */
static void on_syscall_return(plugin_id id, unsigned vcpu, int64_t number, int64_t ret)
{
  (void)id, (void)vcpu;
  if (number != SYS_CLOCK_GETTIME || ret != 0 || !measuring || !guest_base_known || timespec_address == 0) {
    return;
  }
  int64_t *timespec = (int64_t *)(guest_base + timespec_address);

  timespec[0] = VIRTUAL_EPOCH_S + (int64_t)(virtual_us / 1000000);
  timespec[1] = (int64_t)(virtual_us % 1000000) * 1000;
}

static void on_translate(plugin_id id, struct tb_handle *tb)
{
  (void)id;
  uint64_t address = qemu_plugin_tb_vaddr(tb);
  size_t n_insns = qemu_plugin_tb_n_insns(tb);
  uint32_t words[MAX_BLOCK_INSNS];

  if (n_insns > MAX_BLOCK_INSNS) {
    fprintf(stderr, "counter: a block of %zu instructions\n", n_insns);
    exit(1);
  }
  if (!guest_base_known) {
    void *host_address = qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0));

    guest_base_known = host_address != NULL;
    guest_base = (uint64_t)host_address - address;
  }
  for (size_t i = 0; i < n_insns; i++) {
    struct insn_handle *insn = qemu_plugin_tb_get_insn(tb, i);

    memcpy(&words[i], qemu_plugin_insn_data(insn), sizeof words[i]);
    if (simulate_caches) {
      qemu_plugin_register_vcpu_mem_cb(insn, on_memory_access, CB_NO_REGS, MEM_READ_WRITE, NULL);
    }
  }
  /* Inline adds, not callbacks: counting costs almost nothing. They are not atomic, so only a guest with a single
   * thread is counted exactly. */
  Block *block = blocks_find_or_add(address, (uint32_t)n_insns, words);

  qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &block->count, 1);
  qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &segment_insns, n_insns);
}

/* QEMU has forgotten all translated code and all callbacks. */
static void instrument(plugin_id id)
{
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, on_syscall_return);
  instrumented = true;
  begin();
}

/* QEMU shall not outlive the process that started it, also when that one is killed. */
static bool follow(long parent)
{
  return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

typedef struct {
  const char *out;
  CacheSize l1;
  CacheSize l2;
  long parent;
} Options;

static Options parse_options(int argc, char **argv)
{
  Options options = {0};

  for (int i = 0; i < argc; i++) {
    char *value = strchr(argv[i], '=');

    if (!value) {
      continue;
    }
    *value++ = '\0';
    if (!strcmp(argv[i], "out")) {
      options.out = value;
    } else if (!strcmp(argv[i], "l1")) {
      options.l1.bytes = atoi(value);
    } else if (!strcmp(argv[i], "l1_ways")) {
      options.l1.ways = atoi(value);
    } else if (!strcmp(argv[i], "l2")) {
      options.l2.bytes = atoi(value);
    } else if (!strcmp(argv[i], "l2_ways")) {
      options.l2.ways = atoi(value);
    } else if (!strcmp(argv[i], "parent")) {
      options.parent = atol(value);
    }
  }
  return options;
}

VISIBLE int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int argc, char **argv)
{
  Options options = parse_options(argc, argv);

  (void)info;
  if (options.parent != 0 && !follow(options.parent)) {
    fprintf(stderr, "counter: the process that started QEMU is gone\n");
    return 1;
  }
  if (!options.out) {
    return 0;
  }
  simulate_caches = options.l1.bytes != 0;
  if (simulate_caches && !caches_init(options.l1, options.l2)) {
    fprintf(stderr, "counter: cache sizes must be multiples of 64 bytes times the ways\n");
    return 1;
  }
  out = fopen(options.out, "w");
  if (!out) {
    fprintf(stderr, "counter: the counts could not be written\n");
    return 1;
  }
  fprintf(out, "# columns instructions loads stores l1_load_misses l1_stream_misses l1_store_misses l2_load_misses "
          "l2_stream_misses l2_store_misses\n");
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  return 0;
}
