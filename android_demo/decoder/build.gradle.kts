plugins {
    `java-library`
}

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}

// What is under src/test are programs that android_demo/test runs, no JUnit tests.
sourceSets.test { java.setSrcDirs(emptyList<String>()) }

tasks.withType<JavaCompile>().configureEach {
    options.encoding = "UTF-8"
    // Newer compilers warn that they will not write Java 8 for ever.
    options.compilerArgs.addAll(listOf("-Xlint:all,-options", "-Werror"))
}
