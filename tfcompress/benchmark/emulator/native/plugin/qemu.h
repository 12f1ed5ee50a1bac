/* The part of QEMU's plugin interface (version 1, QEMU 7.2) that the counter uses; Debian ships no qemu-plugin.h. */
#ifndef TFCOMPRESS_QEMU_H
#define TFCOMPRESS_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The plugin is compiled with -fvisibility=hidden, so that nothing of it clashes with QEMU's own names; what QEMU
 * provides or looks up must stay visible. */
#define VISIBLE __attribute__((visibility("default")))

typedef uint64_t plugin_id;
typedef uint32_t mem_info;

struct tb_handle;
struct insn_handle;

struct plugin_info {
  const char *target_name;
  struct {
    int min;
    int cur;
  } version;
  bool system_emulation;
  struct {
    int smp_vcpus;
    int max_vcpus;
  } system;
};

enum { INLINE_ADD_U64 = 0 };
enum { CB_NO_REGS = 0 };
enum { MEM_READ_WRITE = 3 };

typedef void (*simple_cb)(plugin_id);
typedef void (*tb_trans_cb)(plugin_id, struct tb_handle *);
typedef void (*mem_cb)(unsigned vcpu, mem_info, uint64_t address, void *data);
typedef void (*syscall_cb)(plugin_id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                           uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*syscall_ret_cb)(plugin_id, unsigned vcpu, int64_t number, int64_t ret);

/* Forgets the plugin's callbacks and all translated code, and calls back, before the guest goes on. */
VISIBLE void qemu_plugin_reset(plugin_id, simple_cb);
VISIBLE void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, tb_trans_cb);
VISIBLE void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_cb);
VISIBLE void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id, syscall_ret_cb);
VISIBLE void qemu_plugin_register_vcpu_tb_exec_inline(struct tb_handle *, int op, void *counter, uint64_t value);
VISIBLE void qemu_plugin_register_vcpu_mem_cb(struct insn_handle *, mem_cb, int flags, int read_write, void *data);
VISIBLE size_t qemu_plugin_tb_n_insns(const struct tb_handle *);
VISIBLE uint64_t qemu_plugin_tb_vaddr(const struct tb_handle *);
VISIBLE struct insn_handle *qemu_plugin_tb_get_insn(const struct tb_handle *, size_t);
VISIBLE const void *qemu_plugin_insn_data(const struct insn_handle *);
VISIBLE void *qemu_plugin_insn_haddr(const struct insn_handle *);
VISIBLE unsigned qemu_plugin_mem_size_shift(mem_info);
VISIBLE bool qemu_plugin_mem_is_store(mem_info);

#endif
