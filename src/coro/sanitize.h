/* SPDX-License-Identifier: MIT
 *
 * What the memory checkers must be told about stacks and switches, for gcc's and clang's names
 * of the same things, and nothing at all in an ordinary build. Without it their reports about
 * code in coroutines are worthless: AddressSanitizer takes every foreign stack pointer for an
 * overflow, ThreadSanitizer sees one thread's calls and returns scrambled, and Valgrind takes
 * a switch for an enormous stack frame.
 */
#ifndef CORO_SANITIZE_H
#define CORO_SANITIZE_H

#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif

#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define CORO_NO_ASAN __attribute__((no_sanitize_address))
#else
#define CORO_NO_ASAN
#endif

#ifdef CORO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND                0
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

#endif
