# The inspector: its JSON against its documentation, and what "covey verify" makes of damage.
add_executable(test_scene scene.c world.c)
target_include_directories(test_scene PRIVATE ${PROJECT_SOURCE_DIR}/shm)
target_link_libraries(test_scene PRIVATE covey ${CMOCKA_LIBRARY})
covey_test(damage process)
target_sources(test_damage PRIVATE damage_mask.c damage_region.c)
target_compile_definitions(test_damage PRIVATE COVEY_CLI="$<TARGET_FILE:covey_cli>")
add_dependencies(test_damage covey_cli)
add_test(NAME json COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/json.sh $<TARGET_FILE:covey_cli> $<TARGET_FILE:test_scene>
  ${PROJECT_SOURCE_DIR}/docs/json.md)
set_tests_properties(json PROPERTIES LABELS process TIMEOUT 120 SKIP_RETURN_CODE 77)
