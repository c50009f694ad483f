//go:build xnnpack_builtin

package main

/*
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// CYCLES is how long a link of the chain takes: each needs the result of the one before it.
#if defined(__x86_64__)
// Intel since Nehalem and AMD since Zen take 3 cycles for a 64-bit product. Additions will not do:
// recent cores fold those of constants, and a chain of them appeared to run at 20 GHz.
#define CYCLES 3
#define LINK "imul %1, %0\n\t"
#elif defined(__aarch64__)
// Cores from the Cortex-A53 on take 1 cycle for the sum of two registers; for a product they differ, 2 to 5.
#define CYCLES 1
#define LINK "add %0, %0, %1\n\t"
#else
#error "the clock's chain has no instruction for this processor"
#endif
#define LINKS_8 LINK LINK LINK LINK LINK LINK LINK LINK
#define LINKS_64 LINKS_8 LINKS_8 LINKS_8 LINKS_8 LINKS_8 LINKS_8 LINKS_8 LINKS_8

static double stretch(int rounds) {
  uint64_t x = 3, m = 0x9e3779b97f4a7c15u;
  double t = now();
  for (int i = 0; i < rounds; i++) __asm__ volatile(LINKS_64 : "+r"(x) : "r"(m));
  return now() - t;
}

// latlab_clock returns the core's clock in Hz, the best of several stretches of some 0.1 ms: an interrupt
// makes one slower, and nothing makes one faster.
static double latlab_clock(int* cpu) {
  const int rounds = 100000 * 3 / 64 / CYCLES;
  double best = 0;
  for (int i = 0; i < 8; i++) {
    double s = stretch(rounds), hz = rounds * 64.0 * CYCLES / s;
    if (s > 0 && hz > best) best = hz;
  }
  *cpu = sched_getcpu();
  return best;
}
*/
import "C"

import "latlab/devices"

// readClock measures the clock of the core that the caller runs on. It takes about a millisecond, and
// no memory: the caches stay as they are.
//
// Source of the latencies: Fog, "Instruction tables" (2024); Arm's software optimization guides.
func readClock(samples int) devices.Clock {
	var cpu C.int
	hz := C.latlab_clock(&cpu)
	return devices.Clock{Samples: samples, Hz: float64(hz), CPU: int(cpu)}
}
