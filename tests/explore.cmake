# All schedules of small stories, over the library's sources compiled once more with a shim in front of them.  Not under a
# sanitizer: the actors' stacks are switched by hand.
set(COVEY_EXPLORED core/heap.c core/outbox.c core/parking.c core/pool.c core/seat.c core/table.c core/watch.c shm/await.c
  shm/check.c shm/cycle.c shm/event.c shm/group.c shm/inspect.c shm/layout.c shm/publish.c shm/recovery.c shm/request.c
  shm/standoff.c shm/time.c)
list(TRANSFORM COVEY_EXPLORED PREPEND ${PROJECT_SOURCE_DIR}/)
add_executable(explore explore/deaths.c explore/kernel.c explore/keeper.c explore/laws.c explore/machine.c explore/main.c
  explore/stories.c explore/living.c explore/search.c explore/world.c ${COVEY_EXPLORED})
target_include_directories(explore PRIVATE ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR}/shm)
target_compile_options(explore PRIVATE -include ${CMAKE_CURRENT_SOURCE_DIR}/explore/shim.h -Wno-unused-value)
set_target_properties(explore PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
add_test(NAME explore COMMAND explore)
add_test(NAME explore_mutants COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/explore/mutants ${CMAKE_C_COMPILER})
add_test(NAME explore_absent COMMAND sh -c "! nm $<TARGET_FILE:covey> | grep explore_")
set_tests_properties(explore explore_mutants PROPERTIES LABELS prove TIMEOUT 600)
