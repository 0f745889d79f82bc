# A program and a library in C, built in parallel with optimisation, link-time optimisation and threads.
set -eu
cat > part.c <<'C'
#include <pthread.h>
#include <stdatomic.h>
static atomic_int sum;
static void *add(void *n) { sum += (int)(long)n; return 0; }
int total(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, add, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    return sum;
}
C
cat > main.c <<'C'
#include <stdio.h>
int total(void);
int main(void) { printf("%d\n", total()); return 0; }
C
printf 'all: static shared\nstatic: main.o part.o\n\tgcc -O2 -flto -pthread -static -o $@ $^\n' > Makefile
printf 'shared: main.c libpart.so\n\tgcc -g -o $@ main.c -L. -lpart -Wl,-rpath,.\n' >> Makefile
printf 'libpart.so: part.c\n\tgcc -shared -fPIC -pipe -pthread -o $@ $<\n%%.o: %%.c\n\tgcc -O2 -flto -c $<\n' >> Makefile
make -s -j4 && ./static && ./shared
ar rc part.a part.o; objdump -d static > /dev/null; strip static; ldd shared > /dev/null
