/*
 * Executes single instructions on the processor that it runs on, in 64-bit and in 32-bit code, and
 * writes what they changed. README.md has the formats and the rules.
 *
 * A signal handler replaces the whole register state that the kernel will restore, with EFLAGS.TF
 * set: the processor executes one instruction and comes back with a signal.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "state.h"

enum { CODE = 0x10000000, DATA = DATA_ADDRESS, PAGE = 4096 };
enum { HAS_GPR = 1, HAS_FLAGS = 2, HAS_RIP = 4, HAS_XMM = 8, HAS_X87 = 16, HAS_MXCSR = 32,
       HAS_MEMORY = 64, HAS_FAULT = 128 };
enum { CS_64 = 0x33, CS_32 = 0x23, TRAP_DEBUG = 1, TF = 0x100 };

struct form {
  unsigned mode, flags, length;
  uint8_t bytes[16];
};

static struct form *forms;
static uint32_t form_count, per_form, current, repetition;
static struct state before;
static ucontext_t outside;
static int started;
static FILE *out;

/* The order of x86 register numbers in gregset_t. */
static const int GREG[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void put(uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) putc((int)(value >> (8 * i)) & 0xff, out);
}

static uint64_t pair(const uint32_t *words) { return words[0] | (uint64_t)words[1] << 32; }

static void load(ucontext_t *context) {
  const struct form *form = &forms[current];
  greg_t *gregs = context->uc_mcontext.gregs;
  struct _libc_fpstate *fp = context->uc_mcontext.fpregs;
  draw_state(&before, current, repetition, form->mode, form->flags);
  memcpy((void *)(uintptr_t)DATA, before.memory, PAGE);
  memset((void *)(uintptr_t)CODE, 0xcc, 64);
  memcpy((void *)(uintptr_t)CODE, form->bytes, form->length);
  for (int i = 0; i < 16; i++) gregs[GREG[i]] = (greg_t)pair(&before.gpr[2 * i]);
  gregs[REG_RIP] = CODE;
  gregs[REG_EFL] = before.eflags | TF | 0x202;
  uint64_t selectors = (uint64_t)gregs[REG_CSGSFS] & ~0xffffull;
  gregs[REG_CSGSFS] = (greg_t)(selectors | (form->mode == 32 ? CS_32 : CS_64));
  memcpy(fp->_xmm, before.xmm, sizeof before.xmm);
  memset(fp->_st, 0, sizeof fp->_st);
  unsigned top = before.fsw >> 11 & 7;
  for (unsigned i = 0; i < 8; i++) {
    const uint32_t *st = &before.st[3 * ((top + i) & 7)];
    memcpy(&fp->_st[i], st, 10);
  }
  fp->cwd = before.fcw;
  fp->swd = before.fsw;
  fp->ftw = before.tags;
  fp->mxcsr = before.mxcsr;
  /* XSTATE_BV: x87 and SSE are not in their initial state. */
  *(uint64_t *)((uint8_t *)fp + 512) |= 3;
}

static int save_gpr(const greg_t *gregs, int write) {
  int mask = 0, narrow = forms[current].mode == 32;
  for (int i = 0; i < 16; i++) {
    if ((uint64_t)gregs[GREG[i]] != pair(&before.gpr[2 * i])) mask |= 1 << i;
  }
  if (write) put((uint64_t)mask, 2);
  for (int i = 0; write && i < 16; i++) {
    if (mask >> i & 1) put((uint64_t)gregs[GREG[i]], narrow ? 4 : 8);
  }
  return mask != 0;
}

static int save_xmm(const struct _libc_fpstate *fp, int write) {
  int mask = 0;
  for (int i = 0; i < 16; i++) {
    if (memcmp(&fp->_xmm[i], &before.xmm[4 * i], 16) != 0) mask |= 1 << i;
  }
  if (write) put((uint64_t)mask, 2);
  for (int i = 0; write && i < 16; i++) {
    if (mask >> i & 1) fwrite(&fp->_xmm[i], 16, 1, out);
  }
  return mask != 0;
}

static int save_x87(const struct _libc_fpstate *fp, int write) {
  int mask = 0;
  unsigned top = fp->swd >> 11 & 7;
  for (unsigned i = 0; i < 8; i++) {
    if (memcmp(&fp->_st[(i - top) & 7], &before.st[3 * i], 10) != 0) mask |= 1 << i;
  }
  if (write) {
    put((uint64_t)mask, 1);
    put(fp->cwd, 2);
    put(fp->swd, 2);
    put(fp->ftw & 0xff, 1);
    for (unsigned i = 0; i < 8; i++) {
      if (mask >> i & 1) fwrite(&fp->_st[(i - top) & 7], 10, 1, out);
    }
  }
  return mask != 0 || fp->cwd != before.fcw || fp->swd != before.fsw ||
         (fp->ftw & 0xff) != before.tags;
}

static int save_memory(int write) {
  const uint8_t *now = (const uint8_t *)(uintptr_t)DATA;
  int runs = 0;
  for (int pass = 0; pass <= write; pass++) {
    if (pass == 1) put((uint64_t)runs, 1);
    for (int at = 0; at < PAGE; at++) {
      if (now[at] == before.memory[at]) continue;
      int end = at;
      while (end < PAGE && end - at < 255 && now[end] != before.memory[end]) end++;
      if (pass == 0) runs++;
      else {
        put((uint64_t)at, 2);
        put((uint64_t)(end - at), 1);
        fwrite(&now[at], (size_t)(end - at), 1, out);
      }
      at = end - 1;
    }
  }
  return runs != 0;
}

static void save(const ucontext_t *context) {
  const greg_t *gregs = context->uc_mcontext.gregs;
  const struct _libc_fpstate *fp = context->uc_mcontext.fpregs;
  unsigned trap = (unsigned)gregs[REG_TRAPNO];
  unsigned eflags = (unsigned)gregs[REG_EFL] & FLAG_MASK;
  uint64_t rip = (uint64_t)gregs[REG_RIP], expected = CODE;
  if (trap == TRAP_DEBUG) expected += forms[current].length;
  unsigned present = 0;
  if (save_gpr(gregs, 0)) present |= HAS_GPR;
  if (eflags != before.eflags) present |= HAS_FLAGS;
  if (rip != expected) present |= HAS_RIP;
  if (save_xmm(fp, 0)) present |= HAS_XMM;
  if (save_x87(fp, 0)) present |= HAS_X87;
  if (fp->mxcsr != before.mxcsr) present |= HAS_MXCSR;
  if (save_memory(0)) present |= HAS_MEMORY;
  if (trap != TRAP_DEBUG) present |= HAS_FAULT;
  put(trap, 1);
  put(present, 1);
  if (present & HAS_GPR) save_gpr(gregs, 1);
  if (present & HAS_FLAGS) put(eflags, 2);
  if (present & HAS_RIP) put(rip, 8);
  if (present & HAS_XMM) save_xmm(fp, 1);
  if (present & HAS_X87) save_x87(fp, 1);
  if (present & HAS_MXCSR) put(fp->mxcsr, 4);
  if (present & HAS_MEMORY) save_memory(1);
  if (present & HAS_FAULT) {
    put((uint64_t)gregs[REG_ERR], 2);
    put(trap == 14 ? (uint64_t)gregs[REG_CR2] : 0, 8);
  }
}

static void write_form(void) {
  const struct form *form = &forms[current];
  put(form->mode, 1);
  put(form->length, 1);
  put(form->flags, 2);
  fwrite(form->bytes, form->length, 1, out);
}

static void on_signal(int number, siginfo_t *info, void *argument) {
  ucontext_t *context = argument;
  (void)number;
  (void)info;
  if (!started) {
    started = 1;
    outside = *context;
    write_form();
    load(context);
    return;
  }
  save(context);
  if (++repetition == per_form) {
    repetition = 0;
    if (++current == form_count) {
      memcpy(context->uc_mcontext.gregs, outside.uc_mcontext.gregs, sizeof(gregset_t));
      context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TF;
      context->uc_mcontext.fpregs->cwd = 0x37f;
      context->uc_mcontext.fpregs->swd = 0;
      context->uc_mcontext.fpregs->ftw = 0;
      context->uc_mcontext.fpregs->mxcsr = 0x1f80;
      return;
    }
    write_form();
  }
  load(context);
}

/* Lines of `mode flags hexadecimal-bytes`. */
static void read_forms(void) {
  unsigned mode, flags, capacity = 0;
  char text[40];
  while (scanf("%u %u %39s", &mode, &flags, text) == 3) {
    if (form_count == capacity) {
      capacity = capacity == 0 ? 1024 : capacity * 2;
      forms = realloc(forms, capacity * sizeof *forms);
      if (forms == NULL) exit(1);
    }
    struct form *form = &forms[form_count++];
    *form = (struct form){.mode = mode, .flags = flags, .length = (unsigned)strlen(text) / 2};
    if (form->length > sizeof form->bytes) exit(1);
    for (unsigned i = 0; i < form->length; i++) sscanf(text + 2 * i, "%2hhx", &form->bytes[i]);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s RESULTS-PER-FORM OUTPUT < FORMS\n", argv[0]);
    return 2;
  }
  per_form = (uint32_t)atoi(argv[1]);
  out = fopen(argv[2], "wb");
  read_forms();
  if (out == NULL || form_count == 0 || per_form == 0) return 1;
  for (int i = 0; i < 2; i++) {
    void *at = (void *)(uintptr_t)(i == 0 ? CODE : DATA);
    if (mmap(at, PAGE, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at) return 1;
  }
  /* 32-bit code needs data segments; 64-bit processes have null selectors. */
  __asm__ volatile("mov %0, %%ds; mov %0, %%es" ::"r"(0x2b));
  fwrite("SVMV", 4, 1, out);
  put(1, 4);
  put(form_count, 4);
  put(per_form, 4);
  stack_t stack = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  const int signals[] = {SIGTRAP, SIGSEGV, SIGFPE, SIGILL, SIGBUS};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &action, NULL);
  __asm__ volatile("int3" ::: "memory");
  fclose(out);
  fprintf(stderr, "%u forms, %u results\n", form_count, form_count * per_form);
  return 0;
}
